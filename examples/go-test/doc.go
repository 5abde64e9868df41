// Package gotest shows a lab in a Go test.
package gotest
