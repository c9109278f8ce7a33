package plan_test

import (
	"strings"
	"testing"

	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/plan"
)

const added = `{"Sid":"New","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:role/R"},"Action":"kms:Decrypt","Resource":"*"}`

func TestWhatAPlanLeavesAloneStaysByteForByte(t *testing.T) {
	t.Parallel()
	const owner = `{ "Sid" : "Owner",  "Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":"kms:*","Resource":"*" }`
	wide := "{\n  \"Version\" : \"2012-10-17\",\n  \"Statement\" : [\n    " + owner + "\n  ],\n  \"Id\" : \"mine\"\n}\n"
	tests := []struct{ name, have, want, text string }{
		{"a new statement comes last, indented as the others are", wide, `{"Version":"2012-10-17","Statement":[` + owner + `,` + added + `],"Id":"mine"}`,
			strings.Replace(wide, owner, owner+",\n    {\n      \"Sid\": \"New\",\n      \"Effect\": \"Allow\",\n      \"Principal\": {\n        \"AWS\": \"arn:aws:iam::111122223333:role/R\"\n      },\n      \"Action\": \"kms:Decrypt\",\n      \"Resource\": \"*\"\n    }", 1)},
		{"on one line where all is on one line", `{"Statement":[` + owner + `]}`, `{"Statement":[` + owner + `,` + added + `]}`, `{"Statement":[` + owner + `,` + added + `]}`},
		{"a statement that goes takes its comma", `{"Statement":[` + owner + `, ` + added + `]}`, `{"Statement":[` + owner + `]}`, `{"Statement":[` + owner + `]}`},
		{"another member is no matter of statements", `{"Statement":[` + owner + `]}`, `{"Version":"2012-10-17","Statement":[` + owner + `]}`, `{"Version":"2012-10-17","Statement":[` + owner + `]}`},
		{"a single statement becomes a list", `{"Statement":` + owner + `}`, `{"Statement":[` + owner + `,` + added + `]}`, `{"Statement":[` + owner + `,` + added + `]}`},
		{"nothing that can be read", `not a policy`, `{"Statement":[` + owner + `]}`, `{"Statement":[` + owner + `]}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := plan.Splice(tt.have, tt.want, plan.MaxKeyPolicy)
			if got != tt.text {
				t.Errorf("got  %q\nwant %q", got, tt.text)
			}
			if estate.CanonicalPolicy(got) != estate.CanonicalPolicy(tt.want) {
				t.Error("it says something else")
			}
		})
	}
}

func TestAPolicyThatWouldBeTooLongForAWSLosesItsWhiteSpace(t *testing.T) {
	t.Parallel()
	have := `{"Statement":[` + strings.Repeat(" ", plan.MaxKeyPolicy-400) + added + `]}`
	want := `{"Statement":[` + added + `,` + strings.Replace(added, "New", "Newer", 1) + `]}`
	if got := plan.Splice(have, want, plan.MaxKeyPolicy); got != want {
		t.Errorf("the text has %d characters", len(got))
	}
	if got := plan.Splice(have, want, 2*plan.MaxKeyPolicy); !strings.HasPrefix(got, have[:plan.MaxKeyPolicy-400]) {
		t.Errorf("where there is room the white space is gone: %d characters", len(got))
	}
}
