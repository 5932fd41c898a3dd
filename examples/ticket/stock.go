package main

import (
	"encoding/json"
	"fmt"
	"os"
)

// A stock is what the file holds. Left and Sold make Total, except in the middle of a sale.
type stock struct {
	Total, Left, Sold int
	Kill              bool // whoever buys next is killed
}

// change reads the stock from its file, lets f change it, and writes it.
func change(file string, f func(*stock) error) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var s stock
	if err := json.Unmarshal(text, &s); err != nil {
		return err
	}
	if err := f(&s); err != nil {
		return err
	}
	return s.write(file)
}

// write replaces the file, so that nobody ever reads half of it.
func (s stock) write(file string) error {
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	temp := fmt.Sprint(file, os.Getpid())
	if err := os.WriteFile(temp, text, 0o600); err != nil {
		return err
	}
	return os.Rename(temp, file)
}
