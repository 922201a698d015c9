package main

import "fmt"

func report(f *findings, docs string) error {
	for _, s := range f.Series {
		m, _ := f.median(s.Variant, s.By, s.Unit)
		fmt.Println(s.Variant, s.By, s.Unit, m)
	}
	return nil
}
