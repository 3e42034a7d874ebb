package password

import (
	_ "embed"
	"strings"
	"unicode"
	"unicode/utf8"
)

//go:generate go run words_generate.go

// words are those of zxcvbn's lists, a line each.
//
//go:embed words.txt
var words string

// Screen finds passwords that a guesser tries first: the common ones, and those
// that hold the name of the user they are for.
type Screen struct {
	words   map[string]struct{} // in lower case
	longest int                 // bytes of the longest of them
}

// NewScreen makes a screen of the lists of zxcvbn 4.4.2, which are part of the
// program: the 30 000 passwords most often found in leaks, and the most used
// English words, first names and surnames, 94 000 in all. A list of passwords
// alone would not do: zxcvbn keeps each word only where it is most frequent, so
// that december is not among its passwords.
func NewScreen() *Screen {
	s := &Screen{words: make(map[string]struct{}, strings.Count(words, "\n"))}
	for line := range strings.Lines(words) {
		word := strings.TrimSuffix(line, "\n")
		s.words[word] = struct{}{}
		s.longest = max(s.longest, len(word))
	}
	return s
}

const (
	// leastName is the fewest code points of a name that may not be part of a
	// password; shorter ones are in too many words. It is that of Windows' rule.
	leastName = 3
	// maxPiece is how many code points may be said over and over without being a
	// word: those of a year.
	maxPiece = 4
)

// Check returns what speaks against p as the password of a user known by these
// names, e-mail addresses among them; nil if nothing does. The case of letters
// does not count.
//
// [Common] means that p is a word of the lists, or such a word again and again,
// or anything of up to four code points again and again (20212021), or code
// points one after another, up or down (abcdefgh, 87654321); or that one of
// these is at least half of it, and the rest is digits and marks in front and
// behind; or that it would be so if digits and marks that look like a letter
// were that letter: Password1!, p@ssw0rd.
//
// [OwnName] means that a name, or what an address has before its last @, is part
// of p, or, if it is of fewer than three code points, all of it.
func (s *Screen) Check(p Plain, names ...string) []Violation {
	lower := strings.ToLower(string(p))
	var vs []Violation
	if s.isCommon(lower) {
		vs = append(vs, Violation{Rule: Common})
	}
	for _, name := range names {
		name = strings.ToLower(name)
		mailbox := name
		if at := strings.LastIndexByte(name, '@'); at >= 0 {
			mailbox = name[:at]
		}
		if holds(lower, mailbox) || holds(lower, name) {
			return append(vs, Violation{Rule: OwnName})
		}
	}
	return vs
}

// holds reports whether name is what OwnName means.
func holds(lower, name string) bool {
	if name == lower {
		return name != ""
	}
	return utf8.RuneCountInString(name) >= leastName && strings.Contains(lower, name)
}

// isCommon reports whether a password in lower case is what Common means.
func (s *Screen) isCommon(lower string) bool {
	p := []rune(lower)
	if len(p) == 0 {
		return false
	}
	if isRun(p) || s.repeats(p) {
		return true
	}
	if len(p) > 2*s.longest {
		return false // no word is half of it
	}
	for start := 0; ; start++ {
		for end := len(p); 2*(end-start) >= len(p); end-- {
			if s.isWeak(p[start:end]) {
				return true
			}
			if unicode.IsLetter(p[end-1]) {
				break
			}
		}
		if start == len(p) || unicode.IsLetter(p[start]) {
			return false
		}
	}
}

// isWeak reports whether p, without digits and marks around it, is common.
func (s *Screen) isWeak(p []rune) bool {
	return s.isWord(p) || isRun(p) || s.repeats(p)
}

// lookalikes are what stands for a letter; 1 and ! may be either of two.
var lookalikes = [...]*strings.Replacer{
	strings.NewReplacer("@", "a", "4", "a", "8", "b", "3", "e", "6", "g", "1", "i", "!", "i", "0", "o", "$", "s", "5", "s", "7", "t", "+", "t", "2", "z"),
	strings.NewReplacer("@", "a", "4", "a", "8", "b", "3", "e", "6", "g", "1", "l", "!", "l", "0", "o", "$", "s", "5", "s", "7", "t", "+", "t", "2", "z"),
}

// isWord reports whether p is on the lists, as it is or as it looks.
func (s *Screen) isWord(p []rune) bool {
	word := string(p)
	_, found := s.words[word]
	for _, l := range lookalikes {
		if !found {
			_, found = s.words[l.Replace(word)]
		}
	}
	return found
}

// repeats reports whether p is one piece over and over: a word, or a short one.
func (s *Screen) repeats(p []rune) bool {
	n := period(p)
	return n < len(p) && (n <= maxPiece || s.isWord(p[:n]))
}

// period is the length of the shortest piece that p is a repetition of; that of p
// if it is none. It takes time in proportion to that: of Knuth, Morris and Pratt,
// the table of the longest beginnings that are ends.
func period(p []rune) int {
	border := make([]int, len(p)+1) // of p[:i]; what is none is 0
	for i, k := 1, 0; i < len(p); i++ {
		for k > 0 && p[i] != p[k] {
			k = border[k]
		}
		if p[i] == p[k] {
			k++
		}
		border[i+1] = k
	}
	if n := len(p) - border[len(p)]; n > 0 && len(p)%n == 0 {
		return n
	}
	return len(p)
}

// isRun reports whether p goes up or down by one from each code point to the next.
func isRun(p []rune) bool {
	for i := 1; i < len(p); i++ {
		if step := p[i] - p[i-1]; step != 1 && step != -1 || step != p[1]-p[0] {
			return false
		}
	}
	return len(p) > 1
}
