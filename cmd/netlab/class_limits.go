package main

func (cl class) fits(h host) error { return nil }
