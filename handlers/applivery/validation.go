package applivery

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"

	gen "usher/gen/applivery"
	"usher/handlers/edge"
)

// The words below are Joi 14's, the lists express-validation 1's, with
// abortEarly off: what they answer was compared case by case.

// locations names the parts of a request, in the order in which
// express-validation looks at them.
var locations = []struct {
	in string
	as gen.ValidationLocation
}{{"body", gen.Body}, {"query", gen.Query}, {"path", gen.Params}}

// problems lists what does not fit, one entry for each member or parameter. A
// body that is no object has no members to speak of: nil.
func problems(invalid *edge.InvalidError) *gen.ValidationErrors {
	list := gen.ValidationErrors{Errors: []gen.ValidationError{}}
	for _, location := range locations {
		for _, p := range invalid.Problems {
			if len(p.Path) == 0 || p.Schema == nil {
				return nil
			}
			if p.In == location.in {
				list.Errors = add(list.Errors, location.as, p)
			}
		}
	}
	return &list
}

// add puts a problem into the entry for its member. Of what the contract and
// Joi count differently (an empty string is one problem more to Joi, null one
// less) nothing comes twice.
func add(entries []gen.ValidationError, location gen.ValidationLocation, p edge.Problem) []gen.ValidationError {
	i := slices.IndexFunc(entries, func(e gen.ValidationError) bool {
		return e.Location == location && slices.Equal(e.Field, p.Path)
	})
	if i < 0 {
		i = len(entries)
		entries = append(entries, gen.ValidationError{Field: p.Path, Location: location})
	}
	for _, r := range rules(p) {
		if e := &entries[i]; !slices.Contains(e.Types, r.name) {
			e.Types = append(e.Types, r.name)
			e.Messages = append(e.Messages, `"`+p.Member()+`" `+r.text)
		}
	}
	return entries
}

// rule is a rule that is broken: Joi's name for it, and its words.
type rule struct{ name, text string }

// rules gives the rules that Joi finds broken where the contract finds one.
func rules(p edge.Problem) []rule {
	s := p.Schema
	switch {
	case p.Got == "":
		return []rule{{"any.required", "is required"}}
	case s.Type.Is("integer"):
		return numberRules(p)
	case !s.Type.Is(p.Got): // whatever else is wrong with it: Joi stops there
		return []rule{base(s)}
	}
	var broken []rule
	if p.Empty {
		broken = append(broken, rule{"any.empty", "is not allowed to be empty"})
	}
	switch p.Keyword {
	case "minLength":
		// At least one character is no rule of its own: Joi takes no empty
		// string unless told to.
		if s.MinLength > 1 {
			broken = append(broken, rule{"string.min", fmt.Sprintf("length must be at least %d characters long", s.MinLength)})
		}
	case "maxLength":
		broken = append(broken, rule{"string.max", fmt.Sprintf("length must be less than or equal to %d characters long", *s.MaxLength)})
	case "pattern":
		broken = append(broken, rule{"string.regex.base", fmt.Sprintf(`with value "%s" fails to match the required pattern: /%s/`, p.Value, s.Pattern)})
	case "format": // e-mail is the only one in requests
		broken = append(broken, rule{"string.email", "must be a valid email"})
	case "enum":
		values := make([]string, len(s.Enum))
		for i, v := range s.Enum {
			values[i] = fmt.Sprint(v)
		}
		broken = append(broken, rule{"any.allowOnly", "must be one of [" + strings.Join(values, ", ") + "]"})
	}
	return broken
}

func base(s *openapi3.Schema) rule {
	article := "a "
	if s.Type.Is("object") {
		article = "an "
	}
	name := s.Type.Slice()[0]
	return rule{name + ".base", "must be " + article + name}
}

// number is what Joi takes for a number in a query.
var number = regexp.MustCompile(`^\s*[+-]?\d+(\.\d+)?([eE][+-]?\d+)?\s*$`)

// maxSafe is JavaScript's Number.MAX_SAFE_INTEGER: beyond it a double skips
// whole numbers, and Joi says nothing else of them.
const maxSafe = 1<<53 - 1

// numberRules is rules for a parameter that is a whole number.
func numberRules(p edge.Problem) []rule {
	if !number.MatchString(p.Value) { // a repeated parameter, too: it has no Value
		return []rule{{"number.base", "must be a number"}}
	}
	n, err := strconv.ParseFloat(strings.TrimSpace(p.Value), 64)
	if err != nil || math.Abs(n) > maxSafe {
		return []rule{{"number.unsafe", "must be a safe number"}}
	}
	var broken []rule
	if n != math.Trunc(n) {
		broken = append(broken, rule{"number.integer", "must be an integer"})
	}
	if least := *p.Schema.Min; n < least {
		broken = append(broken, rule{"number.min", "must be larger than or equal to " + plain(least)})
	}
	if most := *p.Schema.Max; n > most {
		broken = append(broken, rule{"number.max", "must be less than or equal to " + plain(most)})
	}
	return broken
}

// plain writes a number as JavaScript does, without an exponent.
func plain(n float64) string { return strconv.FormatFloat(n, 'f', -1, 64) }
