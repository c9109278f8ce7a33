package sandbox_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ebs"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"
)

// share shares a snapshot of the owner.
func (w *world) share(id string, accounts ...string) {
	w.Helper()
	need(0, shareAs(w, w.root(owner), id, accounts...))(w)
}

func shareAs(w *world, as aws.Config, id string, accounts ...string) error {
	var add []types.CreateVolumePermission
	for _, account := range accounts {
		add = append(add, types.CreateVolumePermission{UserId: &account})
	}
	_, err := ec2.NewFromConfig(as).ModifySnapshotAttribute(w.Context(), &ec2.ModifySnapshotAttributeInput{
		SnapshotId: &id, Attribute: types.SnapshotAttributeNameCreateVolumePermission,
		CreateVolumePermission: &types.CreateVolumePermissionModifications{Add: add},
	})
	return err
}

// sharedKey is the policy of a key that its owner lets the consumer use.
const sharedKey = `{"Version":"2012-10-17","Statement":[
 {"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":"kms:*","Resource":"*"},
 {"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::444455556666:root"},"Action":["kms:DescribeKey","kms:Decrypt","kms:ReEncrypt*","kms:GenerateDataKey*","kms:CreateGrant"],"Resource":"*"}]}`

func (w *world) snapshot(as aws.Config, id string) types.Snapshot {
	w.Helper()
	return need(ec2.NewFromConfig(as).DescribeSnapshots(w.Context(), &ec2.DescribeSnapshotsInput{SnapshotIds: []string{id}}))(w).Snapshots[0]
}

// What a session may do with keys decides what becomes of its copy, as recorded.
func TestACopyFailsOfTheKeyUsesThatItNeeds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	role := w.role(consumer, "copier", allow("*"), "")
	const on = "target"
	rows := []struct{ action, key, want string }{
		{"", "", "completed 100%"},
		{"DescribeKey", on, "AuthFailure: Not authorized to use key TARGET "},
		{"GenerateDataKeyWithoutPlaintext", on, "error 0% Given key ID is not accessible"},
		{"CreateGrant", on, "error 0% Given key ID is not accessible"},
		{"Decrypt", on, "completed 100%"},
		{"ReEncrypt*", on, "completed 100%"},
		{"GenerateDataKey", on, "completed 100%"},
		{"CreateGrant", "source", "error 0% Given key ID is not accessible"},
		{"DescribeKey", "source", "completed 100%"},
		{"Decrypt", "source", "completed 100%"},
	}
	for i, r := range rows {
		source, target := w.key(owner, sharedKey), w.key(consumer, "")
		id := w.written(w.root(owner), &ebs.StartSnapshotInput{KmsKeyArn: &source}, nil)
		w.share(id, consumer)
		policy := allow("*")
		if r.action != "" {
			denied := map[string]string{on: target, "source": source}[r.key]
			policy = fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":"kms:%s","Resource":%q}]}`, r.action, denied)
		}
		as := w.session(consumer, role.arn, fmt.Sprint("row", i), policy)
		out, err := ec2.NewFromConfig(as).CopySnapshot(t.Context(), &ec2.CopySnapshotInput{SourceRegion: new(home), SourceSnapshotId: &id, KmsKeyId: &target})
		got := strings.ReplaceAll(refusal(err), target, "TARGET")
		if err == nil {
			if is := w.snapshot(as, *out.SnapshotId).State; is != types.SnapshotStatePending {
				t.Errorf("%s on %s: the copy is %s at once", r.action, r.key, is)
			}
			w.pass(3 * time.Second)
			n := w.snapshot(as, *out.SnapshotId)
			got = strings.TrimSpace(fmt.Sprint(n.State, " ", *n.Progress, " ", aws.ToString(n.StateMessage)))
			if aws.ToString(n.KmsKeyId) != target || *n.OwnerId != consumer {
				t.Errorf("%s on %s: the copy is under %s of %s", r.action, r.key, aws.ToString(n.KmsKeyId), *n.OwnerId)
			}
		}
		if got != r.want {
			t.Errorf("%s on %s: %s, want %s", r.action, r.key, got, r.want)
		}
		for account, key := range map[string]string{owner: source, consumer: target} {
			if left := need(w.kmsOf(w.root(account)).ListGrants(t.Context(), &kms.ListGrantsInput{KeyId: &key}))(t).Grants; len(left) != 0 {
				t.Errorf("%s on %s: %d grants are left on the key of %s", r.action, r.key, len(left), account)
			}
		}
	}
}

func TestACopyIsRefusedAtOnceForWhatIsWrongInTheRequest(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := ec2.NewFromConfig(w.root(owner))
	id := w.written(w.root(owner), &ebs.StartSnapshotInput{}, nil)
	disabled := w.key(owner, "")
	need(w.kmsOf(w.root(owner)).DisableKey(t.Context(), &kms.DisableKeyInput{KeyId: &disabled}))(t)
	foreign := w.key(consumer, "")
	missing := disabled[:len(disabled)-4] + "0000"
	rows := []struct {
		in   ec2.CopySnapshotInput
		want string
	}{
		{ec2.CopySnapshotInput{SourceRegion: new(home), SourceSnapshotId: new("snap-1")}, "InvalidParameterValue: The specified snapshotId is invalid"},
		{ec2.CopySnapshotInput{SourceRegion: new(home), SourceSnapshotId: new("snap-00000000000000000"), DryRun: new(true)}, "InvalidParameterValue: The specified snapshotId is invalid"},
		{ec2.CopySnapshotInput{SourceRegion: new("us-nowhere-9"), SourceSnapshotId: &id}, "InvalidRegion: us-nowhere-9 is not a valid region name"},
		{ec2.CopySnapshotInput{SourceRegion: new(home), SourceSnapshotId: &id, KmsKeyId: &missing}, "InvalidParameterValue: The specified keyId " + missing + " is invalid"},
		{ec2.CopySnapshotInput{SourceRegion: new(home), SourceSnapshotId: &id, KmsKeyId: &disabled}, "InvalidParameterValue: The specified keyId " + disabled + " is disabled"},
		{ec2.CopySnapshotInput{SourceRegion: new(home), SourceSnapshotId: &id, KmsKeyId: &foreign}, "AuthFailure: Not authorized to use key " + foreign + " "},
		{ec2.CopySnapshotInput{SourceRegion: new(home), SourceSnapshotId: &id, DryRun: new(true)}, "DryRunOperation: Request would have succeeded, but DryRun flag is set."},
	}
	for _, r := range rows {
		_, err := c.CopySnapshot(t.Context(), &r.in)
		w.ends(r.want, err, r.want)
	}
	_, err := invoke(w.root(owner), "ec2.CopySnapshot", map[string]any{"SourceRegion": home})
	w.ends("no snapshot", err, "MissingParameter: The request must contain the parameter sourceSnapshotId")
	for source, want := range map[string]string{"snap-0123456789abcdef0": "Source snapshot is not found", id: "Source snapshot is not found"} {
		out := need(ec2.NewFromConfig(w.root(consumer)).CopySnapshot(t.Context(), &ec2.CopySnapshotInput{SourceRegion: new(home), SourceSnapshotId: &source}))(t)
		w.pass(3 * time.Second)
		if n := w.snapshot(w.root(consumer), *out.SnapshotId); n.State != types.SnapshotStateError || aws.ToString(n.StateMessage) != want {
			t.Errorf("a copy of what the copier does not see is %s: %s", n.State, aws.ToString(n.StateMessage))
		}
	}
}

func TestACopyGoesUnderTheDefaultKeyOfItsRegionAndAccount(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	key := w.key(owner, sharedKey)
	id := w.written(w.root(owner), &ebs.StartSnapshotInput{KmsKeyArn: &key}, nil)
	w.share(id, consumer)
	for _, to := range []struct{ account, region string }{{owner, home}, {owner, "eu-west-1"}, {consumer, home}, {consumer, "eu-west-1"}} {
		as := w.Root(to.account, to.region)
		out := need(ec2.NewFromConfig(as).CopySnapshot(t.Context(), &ec2.CopySnapshotInput{SourceRegion: new(home), SourceSnapshotId: &id, Encrypted: new(false)}))(t)
		w.pass(3 * time.Second)
		want := *need(w.kmsOf(as).DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: new("alias/aws/ebs")}))(t).KeyMetadata.Arn
		n := w.snapshot(as, *out.SnapshotId)
		if n.State != types.SnapshotStateCompleted || aws.ToString(n.KmsKeyId) != want {
			t.Errorf("the copy into %s of %s is %s under %s, want %s", to.region, to.account, n.State, aws.ToString(n.KmsKeyId), want)
		}
	}
	plain := w.written(w.root(owner), &ebs.StartSnapshotInput{}, nil)
	c := ec2.NewFromConfig(w.root(owner))
	out := need(c.CopySnapshot(t.Context(), &ec2.CopySnapshotInput{SourceRegion: new(home), SourceSnapshotId: &plain}))(t)
	if n := w.snapshot(w.root(owner), *out.SnapshotId); *n.Encrypted {
		t.Error("a copy of a plain snapshot is encrypted")
	}
	need(c.EnableEbsEncryptionByDefault(t.Context(), &ec2.EnableEbsEncryptionByDefaultInput{}))(t)
	out = need(c.CopySnapshot(t.Context(), &ec2.CopySnapshotInput{SourceRegion: new(home), SourceSnapshotId: &plain}))(t)
	if n := w.snapshot(w.root(owner), *out.SnapshotId); !*n.Encrypted {
		t.Error("a copy is plain in an account that encrypts by default")
	}
}

func TestASharerNeedsTheKeyOfTheSnapshot(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	key := w.key(owner, "")
	id := w.written(w.root(owner), &ebs.StartSnapshotInput{KmsKeyArn: &key}, nil)
	_, without := w.user(owner, "without", allow("ec2:*"))
	_, with := w.user(owner, "with", allow("ec2:*", "kms:ReEncrypt*"))
	w.ends("a sharer without the key", shareAs(w, without, id, consumer), "AuthFailure: Not authorized to use key "+key)
	w.ends("a sharer with the key", shareAs(w, with, id, consumer), "")
	_, err := ec2.NewFromConfig(without).ModifySnapshotAttribute(t.Context(), &ec2.ModifySnapshotAttributeInput{
		SnapshotId: &id, OperationType: types.OperationTypeRemove, UserIds: []string{consumer},
	})
	w.ends("ending it, in the older form", err, "")
	if left := need(ec2.NewFromConfig(with).DescribeSnapshotAttribute(t.Context(), &ec2.DescribeSnapshotAttributeInput{
		SnapshotId: &id, Attribute: types.SnapshotAttributeNameCreateVolumePermission,
	}))(t).CreateVolumePermissions; len(left) != 0 {
		t.Errorf("the snapshot is still shared with %v", left)
	}
}

func TestSharingIsLimitedAsRecorded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	byDefault := w.written(w.root(owner), &ebs.StartSnapshotInput{Encrypted: new(true)}, nil)
	w.ends("a snapshot under the default key", shareAs(w, w.root(owner), byDefault, owner), "OperationNotPermitted: Encrypted snapshots with EBS default key cannot be shared")
	plain := w.written(w.root(owner), &ebs.StartSnapshotInput{}, nil)
	many := slices.Repeat([]string{consumer}, 501)
	w.ends("501 entries", shareAs(w, w.root(owner), plain, many...), "InvalidParameterValue: Modification size must not be greater than 500")
	w.ends("500 entries", shareAs(w, w.root(owner), plain, many[:500]...), "")
	c := ec2.NewFromConfig(w.root(owner))
	public := func(id string) error {
		_, err := c.ModifySnapshotAttribute(t.Context(), &ec2.ModifySnapshotAttributeInput{SnapshotId: &id, OperationType: types.OperationTypeAdd, GroupNames: []string{"all"}})
		return err
	}
	w.ends("an encrypted snapshot for everybody", public(byDefault), "OperationNotPermitted: Encrypted snapshots cannot be shared publicly.")
	w.ends("a plain one for everybody", public(plain), "")
	const third = "777788889999"
	sees := func() bool {
		return len(need(ec2.NewFromConfig(w.root(third)).DescribeSnapshots(t.Context(), &ec2.DescribeSnapshotsInput{RestorableByUserIds: []string{"all"}}))(t).Snapshots) == 1
	}
	if !sees() {
		t.Error("nobody else sees a public snapshot")
	}
	for _, how := range []types.SnapshotBlockPublicAccessState{types.SnapshotBlockPublicAccessStateBlockNewSharing, types.SnapshotBlockPublicAccessStateBlockAllSharing} {
		need(c.EnableSnapshotBlockPublicAccess(t.Context(), &ec2.EnableSnapshotBlockPublicAccessInput{State: how}))(t)
		if got := need(c.GetSnapshotBlockPublicAccessState(t.Context(), &ec2.GetSnapshotBlockPublicAccessStateInput{}))(t).State; got != how {
			t.Errorf("the state is %s, want %s", got, how)
		}
		if want := how == types.SnapshotBlockPublicAccessStateBlockNewSharing; sees() != want {
			t.Errorf("%s: others see the public snapshot: %v", how, !want)
		}
		if got := refusal(public(w.written(w.root(owner), &ebs.StartSnapshotInput{}, nil))); !strings.HasPrefix(got, "OperationNotPermitted") {
			t.Errorf("%s: sharing with everybody: %q", how, got)
		}
	}
	need(c.DisableSnapshotBlockPublicAccess(t.Context(), &ec2.DisableSnapshotBlockPublicAccessInput{}))(t)
	if !sees() {
		t.Error("the public snapshot stays hidden")
	}
}

func TestARecipientHasTagsOfItsOwn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.written(w.root(owner), &ebs.StartSnapshotInput{}, nil)
	w.share(id, consumer)
	for account, value := range map[string]string{owner: "mine", consumer: "theirs"} {
		c := ec2.NewFromConfig(w.root(account))
		need(c.CreateTags(t.Context(), &ec2.CreateTagsInput{Resources: []string{id}, Tags: []types.Tag{{Key: new("whose"), Value: &value}}}))(t)
	}
	for account, value := range map[string]string{owner: "mine", consumer: "theirs"} {
		c := ec2.NewFromConfig(w.root(account))
		if n := w.snapshot(w.root(account), id); len(n.Tags) != 1 || *n.Tags[0].Value != value {
			t.Errorf("%s sees %v", account, n.Tags)
		}
		filter := []types.Filter{{Name: new("resource-id"), Values: []string{id}}, {Name: new("tag:whose"), Values: []string{value[:1] + "*"}}}
		if got := need(c.DescribeTags(t.Context(), &ec2.DescribeTagsInput{Filters: filter}))(t).Tags; len(got) != 1 || *got[0].Value != value || got[0].ResourceType != types.ResourceTypeSnapshot {
			t.Errorf("%s finds %v", account, got)
		}
		need(c.DeleteTags(t.Context(), &ec2.DeleteTagsInput{Resources: []string{id}, Tags: []types.Tag{{Key: new("whose"), Value: new("another")}}}))(t)
		if len(w.snapshot(w.root(account), id).Tags) != 1 {
			t.Error("a tag went for a value that it does not have")
		}
		need(c.DeleteTags(t.Context(), &ec2.DeleteTagsInput{Resources: []string{id}}))(t)
		if len(w.snapshot(w.root(account), id).Tags) != 0 {
			t.Error("the tags stay")
		}
	}
	_, err := ec2.NewFromConfig(w.root(consumer)).DeleteSnapshot(t.Context(), &ec2.DeleteSnapshotInput{SnapshotId: &id})
	w.ends("deleting somebody else's", err, "AuthFailure: Not authorized for snapshot:"+id)
}

func TestSnapshotsAreFoundByFiltersAndInPages(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := ec2.NewFromConfig(w.root(owner))
	var ids []string
	for i := range 12 {
		ids = append(ids, w.written(w.root(owner), &ebs.StartSnapshotInput{Description: new(fmt.Sprint("number ", i%3))}, nil))
	}
	filters := []types.Filter{{Name: new("description"), Values: []string{"number 1", "*2"}}, {Name: new("status"), Values: []string{"completed"}}}
	pages := ec2.NewDescribeSnapshotsPaginator(c, &ec2.DescribeSnapshotsInput{OwnerIds: []string{"self"}, MaxResults: new(int32(5)), Filters: filters})
	seen, n := map[string]bool{}, 0
	for pages.HasMorePages() {
		page := need(pages.NextPage(t.Context()))(t)
		n++
		for _, s := range page.Snapshots {
			seen[*s.SnapshotId] = true
		}
	}
	if len(seen) != 8 || n != 2 {
		t.Errorf("%d snapshots on %d pages, want 8 on 2", len(seen), n)
	}
	_, err := c.DescribeSnapshots(t.Context(), &ec2.DescribeSnapshotsInput{Filters: []types.Filter{{Name: new("nonsense"), Values: []string{"x"}}}})
	w.ends("a filter that there is not", err, "InvalidParameterValue: The filter 'nonsense' is invalid")
	need(c.DeleteSnapshot(t.Context(), &ec2.DeleteSnapshotInput{SnapshotId: &ids[0]}))(t)
	_, err = c.DescribeSnapshots(t.Context(), &ec2.DescribeSnapshotsInput{SnapshotIds: ids})
	w.ends("one that was deleted", err, "InvalidSnapshot.NotFound: The snapshot '"+ids[0]+"' does not exist.")
}

func TestALockedSnapshotIsNotDeleted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := ec2.NewFromConfig(w.root(owner))
	id := w.written(w.root(owner), &ebs.StartSnapshotInput{}, nil)
	lock := need(c.LockSnapshot(t.Context(), &ec2.LockSnapshotInput{SnapshotId: &id, LockMode: types.LockModeCompliance, LockDuration: new(int32(2)), CoolOffPeriod: new(int32(1))}))(t)
	if lock.LockState != types.LockStateComplianceCooloff {
		t.Errorf("the lock is %s", lock.LockState)
	}
	w.pass(2 * time.Hour)
	if got := need(c.DescribeLockedSnapshots(t.Context(), &ec2.DescribeLockedSnapshotsInput{}))(t).Snapshots; len(got) != 1 || got[0].LockState != types.LockStateCompliance {
		t.Errorf("locked are %v", got)
	}
	_, err := c.UnlockSnapshot(t.Context(), &ec2.UnlockSnapshotInput{SnapshotId: &id})
	w.ends("unlocking what has cooled off", err, "is locked in the mode compliance")
	_, err = c.DeleteSnapshot(t.Context(), &ec2.DeleteSnapshotInput{SnapshotId: &id})
	w.ends("deleting it", err, "OperationNotPermitted: The snapshot "+id+" is locked")
	w.pass(2 * day)
	need(c.DeleteSnapshot(t.Context(), &ec2.DeleteSnapshotInput{SnapshotId: &id}))(t)
}

// 16 clients copy 200 snapshots at once: every copy is there, ends, and holds what its
// source holds.
func TestManyCopiesAtOnceLoseNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	key := w.key(owner, "")
	id := w.written(w.root(owner), &ebs.StartSnapshotInput{KmsKeyArn: &key}, map[int32]string{1: "m"})
	const copies, clients = 200, 16
	work, made := make(chan int), make(chan string, copies)
	var group sync.WaitGroup
	for range clients {
		c := ec2.NewFromConfig(w.root(owner))
		group.Go(func() {
			for i := range work {
				out, err := c.CopySnapshot(t.Context(), &ec2.CopySnapshotInput{SourceRegion: new(home), SourceSnapshotId: &id, KmsKeyId: &key, Description: new(fmt.Sprint(i))})
				if err != nil {
					t.Error(err)
					continue
				}
				made <- *out.SnapshotId
			}
		})
	}
	began := time.Now()
	for i := range copies {
		work <- i
	}
	close(work)
	group.Wait()
	close(made)
	t.Logf("%d copies by %d clients took %s", copies, clients, time.Since(began).Round(time.Millisecond))
	w.pass(5 * time.Second)
	all := map[string]types.Snapshot{}
	for _, n := range need(ec2.NewFromConfig(w.root(owner)).DescribeSnapshots(t.Context(), &ec2.DescribeSnapshotsInput{OwnerIds: []string{"self"}}))(t).Snapshots {
		all[*n.SnapshotId] = n
	}
	said := map[string]bool{}
	for copied := range made {
		n := all[copied]
		if n.State != types.SnapshotStateCompleted || aws.ToString(n.KmsKeyId) != key {
			t.Errorf("%s is %q", copied, n.State)
		}
		said[aws.ToString(n.Description)] = true
	}
	if len(said) != copies || len(all) != copies+1 {
		t.Errorf("%d copies of %d are there, %d snapshots in all", len(said), copies, len(all))
	}
	if left := need(w.kmsOf(w.root(owner)).ListGrants(t.Context(), &kms.ListGrantsInput{KeyId: &key}))(t).Grants; len(left) != 0 {
		t.Errorf("%d grants are left", len(left))
	}
}

// Recorded: who owns what, as conditions see it, and that the source and what is made are
// asked about apart.
func TestACopyIsAskedAboutOnBothSides(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.written(w.root(owner), &ebs.StartSnapshotInput{}, nil)
	w.share(id, consumer)
	const source, made = `"arn:aws:ec2:us-east-1::snapshot/SOURCE"`, `"arn:aws:ec2:us-east-1::snapshot/*"`
	on := func(resource, condition string) string {
		return `{"Effect":"Allow","Action":"ec2:CopySnapshot","Resource":` + strings.ReplaceAll(resource, "SOURCE", id) + condition + `}`
	}
	when := func(key, value string) string {
		return fmt.Sprintf(`,"Condition":{"StringEquals":{%q:%q}}`, key, value)
	}
	rows := []struct{ name, statements, refused string }{
		{"source-only", on(source, ""), "snapshot/*"},
		{"owner-of-both", on(made, when("aws:ResourceAccount", owner)), "snapshot/*"},
		{"mine-only", on(made, when("aws:ResourceAccount", consumer)), "snapshot/" + id},
		{"each-its-own", on(made, when("aws:ResourceAccount", consumer)) + "," + on(source, when("aws:ResourceAccount", owner)), ""},
		{"owner-key", on(made, when("ec2:Owner", owner)), "snapshot/*"},
		{"owner-key-on-source", on(made, when("aws:ResourceAccount", consumer)) + "," + on(source, when("ec2:Owner", owner)), ""},
	}
	for _, r := range rows {
		_, as := w.user(consumer, r.name, `{"Version":"2012-10-17","Statement":[`+r.statements+`]}`)
		_, err := ec2.NewFromConfig(as).CopySnapshot(t.Context(), &ec2.CopySnapshotInput{SourceRegion: new(home), SourceSnapshotId: &id})
		got := refusal(err)
		if r.refused == "" && err != nil || r.refused != "" && !strings.Contains(got, "ec2:CopySnapshot on resource: arn:aws:ec2:us-east-1::"+r.refused+" because") {
			t.Errorf("%s: %q", r.name, got)
		}
	}
}
