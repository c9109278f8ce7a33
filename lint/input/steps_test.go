package input_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/keyreach/keyreach/lint/input"
)

// The commands in other files stand where those files have them.
func TestCommandsOfOtherFiles(t *testing.T) {
	t.Parallel()
	tests := []struct{ about, name, text, want string }{
		{"a step of a workflow", "ci.yml", "jobs:\n  a:\n    steps:\n      - name: rotate\n        run: |\n          echo ${{ github.sha }}\n          aws kms list-keys --region ${{ env.R }}\n",
			"list-keys@7:11 (rotate) --region@7:29=${{ env.R }}?"},
		{"a line of a pipeline", ".gitlab-ci.yml", "a:\n  script:\n    - echo\n    - aws kms list-keys --max-items 5\n", "list-keys@4:7 () --max-items@4:25=5"},
		{"a folded text", "ci.yml", "a:\n  run: >-\n    aws kms list-keys\n    --max-items 5\n", "list-keys@3:5 () --max-items@4:5=5"},
		{"a task of Ansible", "play.yml", "- hosts: all\n  tasks:\n    - name: look\n      shell: aws kms list-keys --region {{ region }}\n", "list-keys@4:14 (look) --region@4:32={{ region }}?"},
		{"the second document", "pods.yaml", "a: b\n---\nspec:\n  containers:\n    - name: c\n      command: ['sh', '-c', 'aws kms list-keys --max-items 5']\n", "list-keys@6:30 (c) --max-items@6:48=5"},
		{"a recipe", "Makefile", "K := a\n\nkeys: deps\n\t@aws kms list-keys --region $(R) --query $$Q --max-items 5\n",
			"list-keys@4:3 () --region@4:21=${R}? --query@4:35=$Q? --max-items@4:47=5"},
		{"an instruction", "Dockerfile", "FROM a\nRUN apk add aws && \\\n    aws kms list-keys --max-items 5\nCMD aws kms list-aliases\n", "list-keys@3:5 () --max-items@3:23=5"},
		{"a text that only speaks of it", "a.yaml", "run: the aws cli is needed\ndescription: aws kms list-keys --max-items 5\n", ""},
	}
	for _, tt := range tests {
		t.Run(tt.about, func(t *testing.T) {
			t.Parallel()
			m, err := input.Read(tt.name, []byte(tt.text))
			if err != nil {
				t.Fatal(reasons(err))
			}
			var said []string
			for _, c := range m.Commands {
				one := fmt.Sprintf("%s@%d:%d (%s)", c.Operation, c.Pos.Line, c.Pos.Column, strings.Join(c.Headings, "/"))
				for _, o := range c.Options {
					one += fmt.Sprintf(" %s@%d:%d=%s", o.Name, o.Pos.Line, o.Pos.Column, o.Values[0].Text)
					if o.Values[0].Unknown {
						one += "?"
					}
				}
				said = append(said, one)
			}
			if got := strings.Join(said, "; "); got != tt.want {
				t.Errorf("read as %q\nwant    %q", got, tt.want)
			}
		})
	}
}

// Steps are scripts of their own.
func TestStepsDoNotShareTheirNumbers(t *testing.T) {
	t.Parallel()
	m, err := input.Read("ci.yml", []byte("a:\n  - run: aws kms list-keys\n  - run: aws kms list-aliases\n"))
	if err != nil || len(m.Commands) != 2 || m.Commands[0].Script == m.Commands[1].Script {
		t.Errorf("%v, %d commands of one script", err, len(m.Commands))
	}
}
