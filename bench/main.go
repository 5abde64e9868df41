package main

import (
	"fmt"
	"os"

	"netlab/labs"
)

func main() {
	data, err := os.ReadFile(os.Args[2])
	if err != nil {
		panic(err)
	}
	lab, d := labs.Load(os.Args[2], data)
	if lab == nil {
		panic(d)
	}
	r, err := recipe(lab)
	if err != nil {
		panic(err)
	}
	fmt.Print(r)
}
