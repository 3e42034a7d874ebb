//go:build ignore

// Writes words.txt: the words of zxcvbn's frequency lists, each once, in the
// order of their bytes. The lists are not linked into the program: as Go values
// they would be in its memory even where nothing is screened.
package main

import (
	"log"
	"os"
	"slices"
	"strings"

	"github.com/trustelem/zxcvbn/frequency"
)

func main() {
	var words []string
	for _, list := range frequency.FrequencyLists {
		words = append(words, list...)
	}
	slices.Sort(words)
	words = slices.Compact(words)
	if slices.ContainsFunc(words, func(w string) bool { return w == "" || strings.Contains(w, "\n") }) {
		log.Fatal("a word that is no line")
	}
	if err := os.WriteFile("words.txt", []byte(strings.Join(words, "\n")+"\n"), 0o644); err != nil {
		log.Fatal(err)
	}
}
