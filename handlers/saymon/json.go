package saymon

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// maxDepth is how deep containers may be nested: what the edge's parser takes.
const maxDepth = 10_000

// unexpected says where a text stops being JSON, in the words of JSON.parse of
// Node 8 to 18, which the vendor hands on; empty: it is JSON. These words name
// the first character that cannot stand where it stands, by its kind and its
// place in UTF-16 code units. (Node 20 has others.)
//
// Three things are not Node's: a byte that is not UTF-8 is unexpected wherever
// it stands, as the U+FFFD that Node would make of it, since a password would
// be altered in silence; of a character beyond U+FFFF Node names the first
// half, which no UTF-8 can carry, so it is U+FFFD here, as Node 8 and 10 send
// it; and what is nested deeper than maxDepth is refused.
func unexpected(text []byte) string {
	s := scanner{text: text}
	if s.value(0) {
		s.space()
		if s.at == len(text) {
			return ""
		}
	}
	return s.complaint()
}

// scanner reads JSON. Its methods read one thing each and leave at where it
// ends; if it is not there they return false and leave at where it fails.
type scanner struct {
	text []byte
	at   int
}

// complaint is about the character that stands at.
func (s *scanner) complaint() string {
	if s.at == len(s.text) {
		return "Unexpected end of JSON input"
	}
	position := 0
	for _, r := range string(s.text[:s.at]) {
		position += units(r)
	}
	r, _ := utf8.DecodeRune(s.text[s.at:])
	switch {
	case r == '"':
		return fmt.Sprintf("Unexpected string in JSON at position %d", position)
	case r == '-' || '0' <= r && r <= '9':
		return fmt.Sprintf("Unexpected number in JSON at position %d", position)
	case units(r) > 1:
		r = utf8.RuneError
	}
	return fmt.Sprintf("Unexpected token %c in JSON at position %d", r, position)
}

// units is how many UTF-16 code units a character takes.
func units(r rune) int {
	if r > 0xFFFF {
		return 2
	}
	return 1
}

// take reads one of the characters of set.
func (s *scanner) take(set string) bool {
	if s.at == len(s.text) || strings.IndexByte(set, s.text[s.at]) < 0 {
		return false
	}
	s.at++
	return true
}

func (s *scanner) space() {
	for s.take(" \t\r\n") {
	}
}

// value reads any value, with the space before it.
func (s *scanner) value(depth int) bool {
	s.space()
	if s.at == len(s.text) {
		return false
	}
	switch s.text[s.at] {
	case '{', '[':
		return depth < maxDepth && s.container(depth)
	case '"':
		return s.string()
	case 't':
		return s.word("true")
	case 'f':
		return s.word("false")
	case 'n':
		return s.word("null")
	default:
		return s.number()
	}
}

// container reads an object or an array.
func (s *scanner) container(depth int) bool {
	object, end := s.text[s.at] == '{', "]"
	if object {
		end = "}"
	}
	s.at++
	s.space()
	if s.take(end) {
		return true
	}
	for {
		if object && !s.name() {
			return false
		}
		if !s.value(depth + 1) {
			return false
		}
		s.space()
		if s.take(end) {
			return true
		}
		if !s.take(",") {
			return false
		}
	}
}

// name reads a member's name and the colon.
func (s *scanner) name() bool {
	s.space()
	if !s.string() {
		return false
	}
	s.space()
	return s.take(":")
}

func (s *scanner) string() bool {
	if !s.take(`"`) {
		return false
	}
	for s.at < len(s.text) {
		switch c := s.text[s.at]; {
		case c == '"':
			s.at++
			return true
		case c == '\\':
			s.at++
			if !s.escape() {
				return false
			}
		case c < ' ':
			return false
		default:
			r, size := utf8.DecodeRune(s.text[s.at:])
			if r == utf8.RuneError && size == 1 {
				return false
			}
			s.at += size
		}
	}
	return false
}

// escape reads what follows a backslash.
func (s *scanner) escape() bool {
	if !s.take("u") {
		return s.take(`"\/bfnrt`)
	}
	for range 4 {
		if !s.take("0123456789abcdefABCDEF") {
			return false
		}
	}
	return true
}

func (s *scanner) word(w string) bool {
	for i := range w {
		if !s.take(w[i : i+1]) {
			return false
		}
	}
	return true
}

func (s *scanner) number() bool {
	s.take("-")
	if !s.take("0") && !s.digits() {
		return false
	}
	if s.take(".") && !s.digits() {
		return false
	}
	if s.take("eE") {
		s.take("+-")
		return s.digits()
	}
	return true
}

// digits reads one digit or more.
func (s *scanner) digits() bool {
	const set = "0123456789"
	if !s.take(set) {
		return false
	}
	for s.take(set) {
	}
	return true
}
