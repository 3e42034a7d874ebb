package applivery

import (
	"slices"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"usher/handlers/edge"
)

// Where a number of a query breaks more than one rule, and where Joi takes it
// for none or for an unsafe one.
func TestNumberRules(t *testing.T) {
	page := openapi3.NewIntegerSchema().WithMin(1).WithMax(10000000)
	for value, want := range map[string][]rule{
		"1.5":                  {{"number.integer", "must be an integer"}},
		"-0.5":                 {{"number.integer", "must be an integer"}, {"number.min", "must be larger than or equal to 1"}},
		"10000000.5":           {{"number.integer", "must be an integer"}, {"number.max", "must be less than or equal to 10000000"}},
		"1e15":                 {{"number.max", "must be less than or equal to 10000000"}},
		"9007199254740991":     {{"number.max", "must be less than or equal to 10000000"}},
		"9007199254740992":     {{"number.unsafe", "must be a safe number"}},
		"-9007199254740992":    {{"number.unsafe", "must be a safe number"}},
		"99999999999999999999": {{"number.unsafe", "must be a safe number"}},
		"1e400":                {{"number.unsafe", "must be a safe number"}},
		"":                     {{"number.base", "must be a number"}},
		"0x10":                 {{"number.base", "must be a number"}},
		"NaN":                  {{"number.base", "must be a number"}},
		"1 2":                  {{"number.base", "must be a number"}},
	} {
		got := rules(edge.Problem{In: "query", Path: []string{"page"}, Keyword: "type", Schema: page, Got: "string", Value: value})
		if !slices.Equal(got, want) {
			t.Errorf("%q: %v, want %v", value, got, want)
		}
	}
}

// One problem of many members that names no member leaves no list at all.
func TestProblemsWithoutMember(t *testing.T) {
	named := edge.Problem{In: "path", Path: []string{"userId"}, Keyword: "pattern", Schema: openapi3.NewStringSchema(), Got: "string", Value: "zzz"}
	list := problems(&edge.InvalidError{Problems: []edge.Problem{named, {In: "body", Keyword: "type", Schema: openapi3.NewObjectSchema(), Got: "array"}}})
	if list != nil {
		t.Errorf("%+v", list)
	}
}
