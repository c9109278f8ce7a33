package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/diagnose"
	"github.com/keyreach/keyreach/usage"
)

// diagnoseOptions are the flags of diagnose.
type diagnoseOptions struct {
	judging
	plan           string
	principal, key string
	via            string
	batch          string
	format         format
}

func newDiagnose(s *streams) *cobra.Command {
	o := diagnoseOptions{format: textFormat}
	c := &cobra.Command{
		Use:   "diagnose [FILE|-] | diagnose --batch FILE.jsonl",
		Short: "Say why an encrypted thing did not open, from what AWS said",
		Long: `diagnose reads what people paste when something did not open: an exception, the
box of a tool, a log, events of CloudTrail or EventBridge, the cause of a failed
launch or copy job, several of them mixed. It says who was refused what on which
key, as far as the text tells, and why that may be: every cause with its
likelihood, the words it rests on, what would settle it, and the fix.

Without --live nothing is called, and nothing is run. Access keys and tokens in the
text are masked. Without FILE, or with -, standard input is read.

With --estate or --live the very request is asked of an estate: it says which cause is
true and which is ruled out, with every blocker. --plan saves the least change that
opens the request, for keyreach apply. A text may be a stranger's: such a plan lets in
only whom the estate holds, and lets nobody administer a key. With --live an encoded
authorization message is decoded, where that is permitted. --principal, --key and --via
say what the text does not.

With --batch each line of the file is a JSON object with "id" and "error_text",
and each answer one line. It ends with 3 when nothing in the text is a failure
about a key that it knows, or when an estate was asked and does not tell; with 7 when a
guard refuses the plan.`,
		Example: `  keyreach diagnose error.txt
  terraform apply 2>&1 | keyreach diagnose
  keyreach diagnose --estate estate.json --plan plan.json error.txt
  keyreach diagnose --batch cases.jsonl`,
		Args: o.arguments,
		RunE: func(c *cobra.Command, args []string) error {
			if o.batch != "" {
				return diagnoseBatch(c.Context(), s, o.batch)
			}
			path := "-"
			if len(args) > 0 {
				path = args[0]
			}
			return o.run(c.Context(), s, path)
		},
	}
	f := c.Flags()
	o.addJudging(f)
	f.StringVar(&o.plan, "plan", "", "with an estate: save the least change that opens the request to a `FILE`, for keyreach apply")
	f.StringVar(&o.principal, "principal", "", "who was refused, an `ARN`, when the text does not tell")
	f.StringVar(&o.key, "key", "", "on which key, a `KEY` by ARN, id or alias, when the text does not tell")
	f.StringVar(&o.via, "via", "", "the `SERVICE` through which the call came, such as ec2, when the text does not tell")
	f.StringVar(&o.batch, "batch", "", "diagnose every line of this `FILE`; - is standard input")
	f.VarP(anyFormat(&o.format), "output", "o", "how to print")
	return c
}

func (o *diagnoseOptions) arguments(c *cobra.Command, args []string) error {
	switch {
	case o.via != "" && !forwards(o.via):
		return misuse(fmt.Errorf("--via %s: AWS documents no such service in kms:ViaService", o.via)).hinting("give its short name, such as ec2, rds or s3")
	case o.plan != "" && !o.asks():
		return misuse(errors.New("--plan is made on an estate")).hinting("give --estate FILE, or --live")
	case o.batch != "" && o.asks():
		return misuse(errors.New("--batch reads texts alone, and asks no estate")).hinting("diagnose one text with --estate or --live")
	case o.batch != "" && len(args) > 0:
		return misuse(fmt.Errorf("--batch takes no further arguments, and %q is given", args)).hinting("give one text, or a file of cases")
	case o.batch != "" && c.Flags().Changed("output"):
		return misuse(errors.New("--output does not go with --batch, which prints a line of JSON for each case")).hinting("leave one of them away")
	case len(args) > 1:
		return misuse(fmt.Errorf("diagnose takes one FILE, and %d are given", len(args))).hinting("join them: cat FILE… | keyreach diagnose")
	}
	return nil
}

// forwards reports whether AWS documents that a service forwards calls to KMS.
func forwards(service string) bool {
	_, _, documented := awsfacts.ViaServiceName(usage.ViaService(service, "us-east-1"))
	return documented
}

func (o *diagnoseOptions) run(ctx context.Context, s *streams, path string) error {
	in, name, closeFile, err := openText(s, path)
	if err != nil {
		return unreadable(err)
	}
	defer closeFile() //nolint:errcheck // it was only read
	found, cut, err := readIncidents(ctx, in)
	if err != nil {
		return failure(err)
	}
	if len(found) == 0 && cut == nil {
		return (&exitError{code: exitBlocked, err: fmt.Errorf("nothing in %s is a failure about a key that keyreach knows", name)}).hinting(
			"give the whole message with its code (AccessDenied…), or the CloudTrail event of kms.amazonaws.com:\n" +
				"aws cloudtrail lookup-events --lookup-attributes AttributeKey=EventSource,AttributeValue=kms.amazonaws.com")
	}
	if o.asks() {
		return o.judge(ctx, s, found, cut)
	}
	if err := o.print(s.out, found); err != nil {
		return failure(err)
	}
	if cut != nil {
		return failure(cut)
	}
	return nil
}

func (o *diagnoseOptions) print(w io.Writer, found []diagnose.Incident) error {
	switch o.format {
	case textFormat:
		return diagnoseText(w, found)
	case markdownFormat:
		return diagnoseMarkdown(w, found)
	}
	return writeIncidents(w, o.format, found)
}

// readIncidents reads a text whole. What was cut off of it, cut says. An
// interruption does not wait for the input to end.
func readIncidents(ctx context.Context, in io.Reader) (found []diagnose.Incident, cut, err error) {
	type answer struct {
		found []diagnose.Incident
		err   error
	}
	done := make(chan answer, 1)
	go func() {
		found, err := diagnose.Read(in)
		done <- answer{found, err}
	}()
	select {
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	case a := <-done:
		if errors.Is(a.err, diagnose.ErrTooLong) {
			return a.found, a.err, nil
		}
		return a.found, nil, a.err
	}
}

// openText opens a file, or standard input for -.
func openText(s *streams, path string) (in io.Reader, name string, closeFile func() error, err error) {
	if path == "-" {
		if isTerminal(s.in) {
			fmt.Fprintln(s.err, "keyreach: paste the message, and end with Ctrl-D on a line of its own")
		}
		return s.in, "standard input", func() error { return nil }, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, "", nil, err
	}
	return f, path, f.Close, nil
}
