package conform

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"strings"
)

//go:embed report.html
var page string

var pageTemplate = template.Must(template.New("report").Funcs(template.FuncMap{
	"percent": func(s Share) string { return fmt.Sprintf("%.0f", s.Percent()) },
	"first":   firstSentence,
	"lines":   diffLines,
	"numbers": numbers,
	"seconds": func(s float64) string { return fmt.Sprintf("%.2f", s) },
}).Parse(page))

func (r *Report) writeHTML(w io.Writer) error {
	return pageTemplate.Execute(w, struct {
		*Report
		Passed, Failed, Skipped int
		Requests                Row
	}{r, r.Count(Passed), r.Count(Failed), r.Count(Skipped), r.Sum()})
}

// firstSentence is what a script says first of itself, on one line.
func firstSentence(prose string) string {
	text := strings.Join(strings.Fields(prose), " ")
	if before, _, found := strings.Cut(text, ". "); found {
		return before + "."
	}
	return text
}

// diffLine is a line of a difference, and whether it is expected, actual or both.
type diffLine struct{ Kind, Text string }

func diffLines(diff string) (lines []diffLine) {
	for line := range strings.Lines(diff) {
		line = strings.TrimSuffix(line, "\n")
		kind := "both"
		switch {
		case strings.HasPrefix(line, "@@"):
			kind = "place"
		case strings.HasPrefix(line, "-"):
			kind = "expected"
		case strings.HasPrefix(line, "+"):
			kind = "actual"
		}
		lines = append(lines, diffLine{kind, line})
	}
	return lines
}
