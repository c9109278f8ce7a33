package run

import (
	"fmt"
	"slices"
	"strings"

	"github.com/keyreach/keyreach/route"
)

// snapshots is the chain of EBS: share, copy into each account under its key, and at the
// end a volume of the copy.
func (c *chain) snapshots() error {
	owner := c.party("owner")
	share := c.steps("share")[0]
	from := c.w.From
	if from == "" {
		return fmt.Errorf("%w: a volume, or a snapshot", ErrNoSource)
	}
	first := 0
	if strings.HasPrefix(lastPart(from), "vol-") {
		t := c.task(share, 0)
		t.Step, t.Operation, t.Scenario, t.Name, t.Source = "", "ec2:CreateSnapshot", "", c.w.Name+"-snapshot", from
		first = c.add(Move{Task: t, Passing: true})
	}
	t := c.task(share, 0)
	t.Source, t.With = from, c.others(owner.Account)
	shared := first
	if len(t.With) > 0 {
		shared = c.add(Move{Steps: []string{"share"}, Task: t, Source: first, After: after(first), Passing: true})
	}
	volumes, attaches := c.steps("volume"), c.steps("attach")
	for i, s := range c.steps("copy") {
		p := &c.route.Parties["consumers"][i]
		t := c.task(s, i+1)
		t.Source, t.SourceAccount, t.SourceRegion, t.Key = from, owner.Account, owner.Region, p.Key
		copied := c.add(Move{Steps: []string{"copy"}, For: s.For, Task: t, Source: first, After: after(shared)})
		if !c.w.toTheEnd() {
			continue
		}
		t = c.task(volumes[i], i+1)
		t.Key = p.Key
		volume := c.add(Move{Steps: []string{"volume"}, For: s.For, Task: t, Source: copied, After: after(copied), Passing: c.w.Drill})
		if c.w.Args["instance"] != "" {
			c.add(Move{Steps: []string{"attach"}, For: s.For, Task: c.task(attaches[i], i+1), Source: volume, After: after(volume), Passing: c.w.Drill})
		}
	}
	return nil
}

// others are the accounts of the consumers but the owner's own, in the order of the file.
func (c *chain) others(owner string) []string {
	var list []string
	for _, p := range c.route.Parties["consumers"] {
		if p.Account != owner && !slices.Contains(list, p.Account) {
			list = append(list, p.Account)
		}
	}
	return list
}

// images is the chain of AMIs: a copy in each Region, shared where its consumers are, and
// at the end a launch by each consumer, in its own way.
func (c *chain) images() error {
	owner := c.party("owner")
	from := c.w.From
	if from == "" {
		return fmt.Errorf("%w: an image", ErrNoSource)
	}
	at := map[string]int{owner.Region: 0} // the move that makes the image of a Region
	for i, s := range c.steps("copy") {
		p := &c.route.Parties["copies"][i]
		t := c.task(s, i+1)
		t.Source, t.SourceAccount, t.SourceRegion, t.Key = from, owner.Account, owner.Region, p.Key
		at[p.Region] = c.add(Move{Steps: []string{"copy"}, For: s.For, Task: t})
	}
	shared := c.shareImages(owner, at)
	if !c.w.toTheEnd() {
		return nil
	}
	for i, s := range c.steps("launch") {
		p := &c.route.Parties["consumers"][i]
		made, there := at[p.Region]
		if !there {
			return fmt.Errorf("no image is in %s, where %s launches: name the Region under copies", p.Region, p.Name)
		}
		t := c.task(s, i+1)
		t.Source, t.Key, t.As = from, p.Key, p.As
		t.SourceAccount = owner.Account
		c.add(Move{Steps: []string{"launch"}, For: s.For, Task: t, Source: made, After: after(made, shared[p.Region]), Passing: c.w.Drill})
	}
	return nil
}

// shareImages shares the image of each Region with the accounts that consume it there.
func (c *chain) shareImages(owner *route.Party, at map[string]int) map[string]int {
	shared := map[string]int{}
	share := c.steps("share")[0]
	for i, p := range c.route.Parties["consumers"] {
		made, there := at[p.Region]
		if !there || p.Account == owner.Account {
			continue
		}
		if n := shared[p.Region]; n > 0 {
			if t := &c.moves[n-1].Task; !slices.Contains(t.With, p.Account) {
				t.With = append(t.With, p.Account)
			}
			continue
		}
		t := c.task(share, i+1)
		t.Region, t.Source, t.With = p.Region, c.w.From, []string{p.Account}
		shared[p.Region] = c.add(Move{Steps: []string{"share"}, Task: t, Source: made, After: after(made)})
	}
	return shared
}
