package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/route"
	"github.com/keyreach/keyreach/usage"
)

func newRoutes(s *streams) *cobra.Command {
	f := textFormat
	var survive, dir, estateAt string
	c := &cobra.Command{
		Use:   "routes [KIND]",
		Short: "Show the kinds of routes: their steps, and which key uses each makes",
		Long: `routes lists the kinds of routes that keyreach.yaml can declare. With a kind it
shows who takes part, every step, and every key use with how sure it is and the
page it stands on.

With --survive it lists, for the routes that keyreach.yaml declares, what could
still be opened when an account, a key or a Region is gone.`,
		Example: "  keyreach routes\n  keyreach routes ami\n  keyreach routes --survive account:444455556666 --dir examples/rds-default-key",
		Args: func(c *cobra.Command, args []string) error {
			if len(args) > 1 {
				return misuse(fmt.Errorf("routes takes one kind, and %d are given", len(args))).hinting("give one, or none for the list")
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			if survive != "" {
				return runSurvive(s, f, survive, dir, estateAt, args)
			}
			kinds, err := kindsFor(args)
			if err != nil {
				return err
			}
			if err := printRoutes(s.out, f, kinds, len(args) == 1); err != nil {
				return failure(err)
			}
			return nil
		},
	}
	c.Flags().VarP(anyFormat(&f), "output", "o", "how to print")
	c.Flags().StringVar(&survive, "survive", "", "what is gone: account:ID, key:ARN or region:NAME")
	c.Flags().StringVar(&dir, "dir", ".", "with --survive: the `DIR` or file of the routes")
	c.Flags().StringVar(&estateAt, "estate", "", "with --survive: the estate `FILE`")
	return c
}

func kindsFor(args []string) ([]route.Kind, error) {
	if len(args) == 0 {
		return route.Kinds(), nil
	}
	k, ok := route.KindNamed(args[0])
	if !ok {
		var names []string
		for _, k := range route.Kinds() {
			names = append(names, k.Name)
		}
		return nil, misuse(fmt.Errorf("there is no kind of route called %q", args[0])).hinting("there is " + strings.Join(names, ", "))
	}
	return []route.Kind{k}, nil
}

func printRoutes(w io.Writer, f format, kinds []route.Kind, whole bool) error {
	switch f {
	case textFormat:
		return routesText(w, kinds, whole)
	case markdownFormat:
		for i := range kinds {
			if err := routeMarkdown(w, &kinds[i]); err != nil {
				return err
			}
		}
		return nil
	}
	return f.writeData(w, routesView(kinds))
}

type kindView struct {
	route.Kind
	Uses []usage.Use `json:"uses"`
}

func routesView(kinds []route.Kind) any {
	view := struct {
		FormatVersion int              `json:"format_version"`
		Kinds         []kindView       `json:"kinds"`
		Consumers     []route.Consumer `json:"consumers"`
	}{FormatVersion: estate.FormatVersion, Kinds: []kindView{}, Consumers: route.Consumers()}
	for _, k := range kinds {
		v := kindView{Kind: k, Uses: []usage.Use{}}
		for _, s := range k.Steps {
			v.Uses = append(v.Uses, usage.Of(s.Operation, s.Scenario)...)
		}
		view.Kinds = append(view.Kinds, v)
	}
	return view
}

func routesText(w io.Writer, kinds []route.Kind, whole bool) error {
	p := &printer{w: w}
	width := 0
	for i := range kinds {
		width = max(width, len(kinds[i].Name))
	}
	for i := range kinds {
		k := &kinds[i]
		p.line(0, width+1, "%-*s %s", width, k.Name, k.About)
		if whole {
			kindText(p, k)
		}
	}
	if !whole {
		p.blank()
		p.line(0, 0, "keyreach routes KIND shows the steps of one.")
	}
	return p.err
}

func kindText(p *printer, k *route.Kind) {
	p.line(0, 0, "%s", k.Source)
	section(p, "Who takes part", len(k.Parties), func() {
		for _, party := range k.Parties {
			p.line(2, 12, "%-11s %s (%s)", party.Name, party.About, terms(&party))
		}
	})
	for i, s := range k.Steps {
		p.blank()
		p.line(0, 0, "%d. %s: %s (%s, by %s)", i+1, s.Name, s.About, s.Operation, s.Party)
		for _, c := range s.Preconditions {
			p.line(3, 7, "needs: %s%s", c.Text, tag(c.Rule))
		}
		for _, u := range usage.Of(s.Operation, s.Scenario) {
			p.line(3, 2, "- %s on the %s key: %s (%s; %s)", u.Action, u.Key, u.About, u.Need, sureness(&u))
		}
	}
	if consumes(k) {
		section(p, "Ways of consuming (as:)", 1, func() {
			for _, c := range route.Consumers() {
				p.line(2, 24, "%-23s %s; %s", c.Name, c.About, acting(&c))
			}
		})
	}
}

// terms says what a route has to give of a party.
func terms(p *route.PartyKind) string {
	words := []string{"optional"}
	if p.In != "" {
		words = []string{"in " + p.In + ":", "optional"}
	}
	if p.Required {
		words[len(words)-1] = "required"
	}
	if p.Many {
		words = append(words, "any number")
	}
	if p.Key != "" {
		words = append(words, "key "+p.Key)
	}
	switch p.Actor {
	case "":
	case "consumer":
		words = append(words, "an actor or a way of consuming")
	default:
		words = append(words, "actor "+p.Actor)
	}
	return strings.Join(words, ", ")
}

func consumes(k *route.Kind) bool {
	for _, p := range k.Parties {
		if p.Actor == "consumer" {
			return true
		}
	}
	return false
}

// acting says whom KMS sees for a way of consuming.
func acting(c *route.Consumer) string {
	who := "KMS sees the actor that the route names"
	if c.Role != "" {
		who = "KMS sees " + c.Role
	}
	return who + ", admitted by " + strings.Join(c.Admit, " or ") + " (" + string(c.Confidence) + ", " + c.Source + ")"
}

func routeMarkdown(w io.Writer, k *route.Kind) error {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\n%s. [AWS](%s)\n\n| party | who | a route gives |\n|---|---|---|\n", k.Name, cell(k.About), k.Source)
	for _, p := range k.Parties {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", p.Name, cell(p.About), terms(&p))
	}
	for i, s := range k.Steps {
		fmt.Fprintf(&b, "\n## %d. %s\n\n%s: `%s`, by %s.\n", i+1, s.Name, cell(s.About), s.Operation, s.Party)
		if s.When != "" {
			fmt.Fprintf(&b, "Part of the route when %s.\n", partOf(s.When))
		}
		if s.Unless != "" {
			fmt.Fprintf(&b, "Part of the route unless %s.\n", partOf(s.Unless))
		}
		for _, c := range s.Preconditions {
			fmt.Fprintf(&b, "\n- needs: %s%s ([%s](%s))", cell(c.Text), tag(c.Rule), c.Sure(), c.Source)
		}
		if len(s.Preconditions) > 0 {
			b.WriteString("\n")
		}
		usesMarkdown(&b, &s)
	}
	if consumes(k) {
		b.WriteString("\n## Ways of consuming\n\n| as | what | whom KMS sees |\n|---|---|---|\n")
		for _, c := range route.Consumers() {
			fmt.Fprintf(&b, "| %s | %s | %s |\n", c.Name, cell(c.About), cell(acting(&c)))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// partOf is the condition of a step in words.
func partOf(name string) string {
	switch name {
	case "backup.wraps":
		return "it has a backup part, with keys"
	case "backup.plain":
		return "its backup part has a store that no KMS key guards"
	}
	return "it names " + name
}

func usesMarkdown(b *strings.Builder, s *route.StepKind) {
	us := usage.Of(s.Operation, s.Scenario)
	if len(us) == 0 {
		b.WriteString("\nAsks KMS for nothing.\n")
		return
	}
	b.WriteString("\n| action | key | what for | need | how sure | when it fails |\n|---|---|---|---|---|---|\n")
	for _, u := range us {
		sure := string(u.Confidence)
		if u.From != "" {
			sure += ": " + u.From
		}
		fmt.Fprintf(b, "| `%s` | %s | %s | %s | [%s](%s) | %s%s |\n", u.Action, u.Key, cell(u.About), u.Need, cell(sure), u.Source, prefixed(u.Failure.Code), cell(u.Failure.Text))
	}
}
