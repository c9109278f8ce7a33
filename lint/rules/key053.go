package rules

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/internal/lazy"
)

func key053() Rule {
	return Rule{
		ID: "KEY053", Severity: finding.Error,
		Title: "The AWS CLI or the API has no such name",
		Text: "The CLI refuses commands, options and names in structures that the API's model does not have, options that are " +
			"required and missing, and values after a flag. A name in `--query` that the answer does not have gives null without a word. " +
			"Letter case counts: sourceServerId is not sourceServerID.",
		Fix:   "Use the names of the API reference.",
		Page:  "https://docs.aws.amazon.com/cli/latest/reference/",
		Check: unknownNames,
		Fires: []Example{
			{"script.sh", "aws drs start-recovery --source-servers sourceServerId=s-1111111111111111a --is-drill\n"},
			{"script.sh", "aws drs get-replication-configuration-template --region us-east-1\n"},
			{"script.sh", "aws drs describe-source-servers --query 'items[].{ID:sourceServerID,State:lifeCycle.state}'\n"},
			{"script.sh", "aws kms create-key --description backup --multi-region false\n"},
			{"script.sh", "aws kms put-key-policy --key-id 1234abcd-12ab-34cd-56ef-1234567890ab\n"},
		},
		Silent: []Example{
			{"script.sh", "aws drs start-recovery --source-servers sourceServerID=s-1111111111111111a --is-drill --query 'job.jobID' --output text\n"},
			{"script.sh", "aws ec2 run-instances --image-id ami-0abcd --count 1 --associate-public-ip-address --no-cli-pager\n"},
			{"script.sh", "aws s3 cp a.txt s3://bucket/ --sse aws:kms\naws ec2 wait snapshot-completed --snapshot-ids snap-1\n"},
			{"script.sh", "aws kms put-key-policy --cli-input-json file://put.json\n"},
			{"guide.md", "Then call `aws kms put-key-policy --policy file://p.json` for the key.\n"},
		},
	}
}

// unknownNames asks the tables of the APIs about every command whose service
// they hold.
func unknownNames(m *Material, r *Report) {
	for _, c := range m.Commands {
		api, ok := cliAPI(c.Service)
		if !ok || !commandName.MatchString(c.Operation) || cliOwn(c.Service, c.Operation) {
			continue
		}
		if c.Operation == "wait" {
			unknownWaiter(c, r)
			continue
		}
		op, known := findOperation(api, c.Operation)
		switch {
		case !known:
			unknownOperation(c, api, r)
		case op != nil:
			unknownOptions(m, c, op, r)
			if !m.mentioned(c) {
				missingOptions(c, op, r)
			}
			unknownInQuery(c, op, r)
		}
	}
	oldJob(m, r)
	oldPrefix(m, r)
}

var (
	commandName = lazy.Regexp(`^[A-Za-z][A-Za-z0-9-]*$`)
	optionName  = lazy.Regexp(`^--[A-Za-z][A-Za-z0-9-]*$`)
)

// asOf says how old the table is, for a name may be newer.
func asOf(service string) string {
	if service == "s3api" {
		service = "s3"
	}
	source, version, date := awsfacts.APIVersion(service)
	return fmt.Sprintf(" (as of %s %s, read %s)", source, version, date)
}

func instead(name, what string) string {
	if name == "" {
		return what
	}
	return "it is called " + name
}

func unknownOperation(c *Command, api *awsfacts.API, r *Report) {
	var names []string
	for name := range api.Operations {
		names = append(names, cliWords(name))
	}
	for _, name := range api.Others {
		names = append(names, cliWords(name))
	}
	r.Add(c.Pos, c.name(), "the CLI has no command "+c.name()+asOf(c.Service),
		instead(near(cliWords(c.Operation), names), "look the command up in the reference of the CLI"))
}

func unknownWaiter(c *Command, r *Report) {
	waiters := cliWaiters(c.Service)
	if len(c.Args) == 0 || c.Args[0].Unknown || slices.Contains(waiters, c.Args[0].Text) {
		return
	}
	r.AddAs(finding.Warning, c.Pos, c.name(), "aws "+c.Service+" wait knows no "+c.Args[0].Text,
		instead(near(c.Args[0].Text, waiters), "poll the state with a describe command"))
}

func unknownOptions(m *Material, c *Command, op *cliOperation, r *Report) {
	for _, o := range c.Options {
		if !optionName.MatchString(o.Name) {
			continue
		}
		member, ok := op.takes(c.Service, c.Operation, o.Name)
		if !ok {
			names := slices.AppendSeq(cliGlobals(), maps.Keys(op.option))
			r.Add(o.Pos, c.name(), c.name()+" has no option "+o.Name+asOf(c.Service),
				instead(near(o.Name, names), "leave the option out, or take one of the command's own"))
			continue
		}
		if member == nil {
			continue
		}
		if member.Shape.Type == "boolean" {
			flagWithValue(c, &o, r)
			continue
		}
		for _, w := range o.Values {
			for _, bad := range checkWord(m, w, member.Shape) {
				reportMember(c, &o, bad, r)
			}
		}
	}
}

// flagWithValue reports true or false after an option that takes no value.
func flagWithValue(c *Command, o *Option, r *Report) {
	if len(o.Values) == 0 || o.Values[0].Unknown {
		return
	}
	plain := strings.TrimPrefix(o.Name, "--no-")
	switch strings.ToLower(o.Values[0].Text) {
	case "false":
		r.Add(o.Pos, c.name(), o.Name+" is a flag and takes no value: the CLI refuses "+o.Values[0].Text,
			"write --no-"+strings.TrimPrefix(plain, "--"))
	case "true":
		r.Add(o.Pos, c.name(), o.Name+" is a flag and takes no value: the CLI refuses "+o.Values[0].Text, "write "+o.Name+" alone")
	}
}

func reportMember(c *Command, o *Option, bad badMember, r *Report) {
	better := near(bad.name, shapeNames(bad.in))
	text := fmt.Sprintf("%s of %s has no %s: the CLI refuses it%s", o.Name, c.name(), bad.name, asOf(c.Service))
	var edits []Edit
	if bad.quoted && strings.EqualFold(better, bad.name) {
		edits = append(edits, Edit{At: bad.at, Old: `"` + bad.name + `"`, New: `"` + better + `"`})
	}
	r.Add(bad.at, c.name(), text, instead(better, "it takes "+list(shapeNames(bad.in))), edits...)
}

// missingOptions reports what the command cannot do without. A command without
// any option is taken for a mention of it.
func missingOptions(c *Command, op *cliOperation, r *Report) {
	if c.told() || len(c.Options) == 0 || op.op.Input == nil {
		return
	}
	var missing []string
	for _, m := range op.op.Input.Members {
		name := "--" + cliWords(m.Name)
		if !m.Required || cliFills(c.Service, c.Operation, name) || hasPrefixOf(c, name) {
			continue
		}
		missing = append(missing, name)
	}
	if len(missing) > 0 {
		r.Add(c.Pos, c.name(), c.name()+" lacks "+list(missing)+", without which the CLI refuses it", "add "+list(missing))
	}
}

// hasPrefixOf reports whether the command has the option, in full, shortened or
// as its negation.
func hasPrefixOf(c *Command, option string) bool {
	return slices.ContainsFunc(c.Options, func(o Option) bool {
		return len(o.Name) > 3 && strings.HasPrefix(option, o.Name) || o.Name == "--no-"+strings.TrimPrefix(option, "--")
	})
}

func unknownInQuery(c *Command, op *cliOperation, r *Report) {
	o := c.Option("--query")
	if o == nil || len(o.Values) != 1 || o.Values[0].Unknown || op.op.Output == nil || op.op.Output.Payload != "" {
		return
	}
	if w := o.Values[0]; !strings.ContainsAny(w.Text, "$") {
		for _, bad := range checkQuery(w.Text, op.op.Output) {
			r.Add(w.Pos, c.name(), fmt.Sprintf("the answer of %s has no %s there: --query gives null%s", c.name(), bad.name, asOf(c.Service)),
				instead(near(bad.name, shapeNames(bad.in)), "take a name of "+bad.in.Name))
		}
	}
}
