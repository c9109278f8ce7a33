package run

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/route"
)

// arg returns an argument that the work has to have.
func (c *chain) arg(name, about string) (string, error) {
	if v := c.w.Args[name]; v != "" {
		return v, nil
	}
	return "", &NoArgError{name, about}
}

// points is the chain of AWS Backup: a recovery point, made first of a volume, is copied
// into the vault of the other account and at the end restored there.
func (c *chain) points() error {
	source, vault := c.party("source"), c.party("vault")
	copied, restore := c.steps("copy")[0], c.steps("restore")[0]
	from := c.w.From
	if from == "" {
		return fmt.Errorf("%w: the ARN of a recovery point, or of what is to be backed up", ErrNoSource)
	}
	role, err := c.arg("iamRoleArn", "the role with which AWS Backup works in account "+source.Account)
	if err != nil {
		return err
	}
	own, err := c.arg("sourceVault", "the name of the vault in account "+source.Account)
	if err != nil {
		return err
	}
	since := c.w.At.UTC().Add(-time.Minute).Format(time.RFC3339)
	first := 0
	if !strings.Contains(from, ":recovery-point:") && !strings.Contains(from, ":snapshot/") {
		t := c.task(copied, 0)
		t.Step, t.Operation, t.Scenario, t.Name, t.Source = "", "backup:StartBackupJob", "", c.w.Name+"-point", from
		t.Account, t.Region, t.Actor = source.Account, source.Region, ""
		t.Args = merged(t.Args, map[string]string{"vault": own, "iamRoleArn": role, "since": since})
		first = c.add(Move{Task: t, Passing: true})
	}
	destination := c.w.Args["destinationVault"]
	if destination == "" {
		destination = c.vaultOf(vault)
	}
	if destination == "" {
		return &NoArgError{"destinationVault", "the ARN of the vault in account " + vault.Account}
	}
	t := c.task(copied, 0)
	t.Source, t.SourceAccount, t.SourceRegion = from, source.Account, source.Region
	// The job belongs to the account from which the point is copied.
	t.Account, t.Region, t.Actor = source.Account, source.Region, ""
	t.Args = merged(t.Args, map[string]string{"sourceVault": own, "destinationVault": destination, "iamRoleArn": role, "since": since})
	got := c.add(Move{Steps: []string{"copy"}, Task: t, Source: first, After: after(first)})
	if c.w.toTheEnd() {
		t := c.task(restore, 0)
		t.Operation, t.Scenario = "backup:StartRestoreJob", ""
		t.Args = merged(t.Args, map[string]string{"iamRoleArn": vault.Actor.Principal, "since": since})
		c.add(Move{Steps: []string{"restore"}, Task: t, Source: got, After: after(got), Passing: c.w.Drill})
	}
	return nil
}

// vaultOf is the ARN of the vault of a party, as the estate has it.
func (c *chain) vaultOf(p *route.Party) string {
	for i := range c.e.Resources {
		r := &c.e.Resources[i]
		if r.Type == "backup:BackupVault" && r.Account == p.Account && r.Region == p.Region && (r.Key == p.Key || r.Key == "") {
			return "arn:" + awsfacts.PartitionName(p.Region) + ":backup:" + p.Region + ":" + p.Account + ":backup-vault:" + r.ID
		}
	}
	return ""
}

func merged(a, b map[string]string) map[string]string {
	out := maps.Clone(a)
	if out == nil {
		out = map[string]string{}
	}
	maps.Copy(out, b)
	return out
}

// servers is the chain of Elastic Disaster Recovery: servers that replicate and have a
// point in time are extended into the target account and recovered, as a drill or for
// good.
func (c *chain) servers() error {
	staging, target := c.party("staging"), c.party("target")
	if c.w.From == "" {
		return fmt.Errorf("%w: the ids of source servers", ErrNoSource)
	}
	replicate, snapshot := c.steps("replicate")[0], c.steps("snapshot")[0]
	for i, id := range strings.Split(c.w.From, ",") {
		id = lastPart(strings.TrimSpace(id))
		t := c.task(replicate, i+1)
		t.Operation, t.Scenario, t.Source = "drs:replicate", "", id
		synced := c.add(Move{Steps: []string{"replicate"}, Task: t, Watch: true})
		t = c.task(snapshot, i+1)
		t.Operation, t.Source = "drs:DescribeRecoverySnapshots", id
		point := c.add(Move{Steps: []string{"snapshot"}, Task: t, Watch: true, After: after(synced)})
		if target == nil {
			c.recover(c.steps("recover")[0], i+1, id, 0, point, []string{"recover"})
			continue
		}
		t = c.task(c.steps("extend")[0], i+1)
		t.Source = "arn:" + awsfacts.PartitionName(staging.Region) + ":drs:" + staging.Region + ":" + staging.Account + ":source-server/" + id
		t.SourceAccount = staging.Account
		extended := c.add(Move{Steps: []string{"extend"}, Task: t, After: after(point)})
		steps := []string{"share", "recover"}
		if len(c.steps("volumes")) > 0 {
			steps = append(steps, "volumes")
		}
		c.recover(c.steps("recover")[0], i+1, "", extended, extended, steps)
	}
	return nil
}

func (c *chain) recover(s *route.StepProof, n int, id string, source, before int, steps []string) {
	if !c.w.toTheEnd() {
		return
	}
	t := c.task(s, n)
	t.Operation, t.Source = "drs:StartRecovery", id
	if t.Operation != s.Operation {
		t.Actor = "" // DRS acts; whoever has the account begins it
	}
	t.Args = merged(t.Args, map[string]string{"drill": fmt.Sprint(c.w.Drill)})
	c.add(Move{Steps: steps, Task: t, Source: source, After: after(before), Passing: c.w.Drill})
}

// failback has recovered servers replicate back to where they came from, and waits for a
// point in time there. Starting them at home is the failback client's doing.
func (c *chain) failback() error {
	if c.w.From == "" {
		return fmt.Errorf("%w: the id of a recovery instance", ErrNoSource)
	}
	recovery := c.party("recovery")
	t := c.task(c.steps("reverse")[0], 0)
	t.Operation, t.Scenario, t.Source = "drs:ReverseReplication", "", c.w.From
	t.Account, t.Region, t.Actor = recovery.Account, recovery.Region, ""
	c.add(Move{Steps: []string{"reverse"}, Task: t})
	return nil
}

// objects writes an object as each host, and reads it as each restorer.
func (c *chain) objects() error {
	vault := c.party("vault")
	bucket := c.w.Args["bucket"]
	for i := range c.e.Resources {
		if r := &c.e.Resources[i]; bucket == "" && r.Type == "s3:Bucket" && r.Account == vault.Account {
			bucket = r.ID
		}
	}
	if bucket == "" {
		return &NoArgError{"bucket", "the bucket in account " + vault.Account}
	}
	args := map[string]string{"bucket": bucket, "bucketAccount": vault.Account, "bucketRegion": vault.Region, "body": "written by keyreach to prove that it can be read"}
	var written []int
	for i, s := range c.steps("write") {
		t := c.task(s, i+1)
		t.Key, t.Args = vault.Key, merged(merged(t.Args, args), map[string]string{"key": c.w.Name + fmt.Sprintf("/%d", i+1)})
		written = append(written, c.add(Move{Steps: []string{"write"}, For: s.For, Task: t, Passing: true}))
	}
	for i, s := range c.steps("restore") {
		t := c.task(s, i+1)
		t.Args = merged(merged(t.Args, args), map[string]string{"key": c.w.Name + "/1"})
		c.add(Move{Steps: []string{"restore"}, For: s.For, Task: t, After: after(written...)})
	}
	return nil
}

// envelopes takes a data key as each host, and opens the first one as each opener.
func (c *chain) envelopes() error {
	vault := c.party("vault")
	first := 0
	for i, s := range c.steps("seal") {
		t := c.task(s, i+1)
		t.Key = vault.Key
		n := c.add(Move{Steps: []string{"seal"}, For: s.For, Task: t})
		if first == 0 {
			first = n
		}
	}
	for i, s := range c.steps("open") {
		t := c.task(s, i+1)
		t.Key = vault.Key
		c.add(Move{Steps: []string{"open"}, For: s.For, Task: t, Source: first, Arg: "ciphertext", After: after(first)})
	}
	return nil
}

func (c *chain) secrets() error {
	if c.w.From == "" {
		return fmt.Errorf("%w: the ARN of a secret", ErrNoSource)
	}
	for i, s := range c.steps("read") {
		t := c.task(s, i+1)
		t.Source = c.w.From
		c.add(Move{Steps: []string{"read"}, For: s.For, Task: t})
	}
	return nil
}

// replication writes an object into the source bucket and waits for its replica.
func (c *chain) replication() error {
	source, destination := c.party("source"), c.party("destination")
	need := map[string]string{"bucket": c.w.From, "bucketRegion": source.Region, "destinationAccount": destination.Account, "destinationRegion": destination.Region}
	for _, name := range slices.Sorted(maps.Keys(need)) {
		if need[name] == "" {
			return fmt.Errorf("%w: the source bucket", ErrNoSource)
		}
	}
	t := c.task(c.steps("replicate")[0], 0)
	t.Key = destination.Key
	t.Args = merged(merged(t.Args, need), map[string]string{"key": c.w.Name + "/1", "body": "written by keyreach to see it replicated", "sourceKey": source.Key})
	c.add(Move{Steps: []string{"replicate"}, Task: t, Passing: true})
	return nil
}
