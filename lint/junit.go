package lint

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"

	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/lint/rules"
)

type junitSuites struct {
	XMLName  xml.Name     `xml:"testsuites"`
	Name     string       `xml:"name,attr"`
	Tests    int          `xml:"tests,attr"`
	Failures int          `xml:"failures,attr"`
	Suites   []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Skipped  int         `xml:"skipped,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Name    string        `xml:"name,attr"`
	Class   string        `xml:"classname,attr"`
	File    string        `xml:"file,attr,omitempty"`
	Line    int           `xml:"line,attr,omitempty"`
	Skipped *junitSkipped `xml:"skipped"`
	Failure *junitFailure `xml:"failure"`
	Output  string        `xml:"system-out,omitempty"`
}

type junitFailure struct {
	Type    string `xml:"type,attr"`
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

type junitSkipped struct {
	Message string `xml:"message,attr"`
}

// WriteJUnit writes a suite for each file and a case for each finding, which
// fails when the finding is at or above failOn, and is skipped when it is
// ignored. A file without findings is one case that passes.
func WriteJUnit(w io.Writer, results []Result, failOn finding.Severity) error {
	all := junitSuites{Name: "keyreach lint"}
	for i := range results {
		s := junitSuite{Name: results[i].File}
		for j := range results[i].Found {
			c := junitOf(&results[i].Found[j], failOn)
			if c.Failure != nil {
				s.Failures++
			}
			s.Cases = append(s.Cases, c)
		}
		for j := range results[i].Muted {
			m := &results[i].Muted[j]
			c := junitOf(&m.Found, finding.Critical+1)
			c.Skipped = &junitSkipped{m.Reason}
			s.Skipped++
			s.Cases = append(s.Cases, c)
		}
		if len(s.Cases) == 0 {
			s.Cases = []junitCase{{Name: "no findings", Class: results[i].File, File: results[i].File}}
		}
		s.Tests = len(s.Cases)
		all.Tests += s.Tests
		all.Failures += s.Failures
		all.Suites = append(all.Suites, s)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	if err := e.Encode(all); err != nil {
		return fmt.Errorf("writing JUnit: %w", err)
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func junitOf(x *rules.Found, failOn finding.Severity) junitCase {
	c := junitCase{Name: strings.TrimSpace(x.Rule + " " + x.Position.String()), Class: x.Position.File, File: x.Position.File, Line: x.Position.Line}
	if x.Severity < failOn {
		c.Output = x.String()
		return c
	}
	c.Failure = &junitFailure{Type: x.Severity.String(), Message: x.Text, Text: x.String()}
	return c
}
