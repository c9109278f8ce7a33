package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/keyreach/keyreach/backup"
	"github.com/keyreach/keyreach/backup/store"
)

// killings are many runs of a backup's creation, each killed somewhere.
type killings struct {
	*host
	place  string   // the store
	create []string // the command
	opens  []string // what opens it
	known  map[string]bool
	// abandoned is how many a killed process has left unfinished in the store.
	abandoned func() int
	outcome   map[string]int
}

// kill kills one creation. What is listed after it verifies.
func (k *killings) kill(n int, nothing, all time.Duration) {
	k.Helper()
	says := fmt.Sprintf("kill %d", n)
	k.write("src/says", []byte(says))
	before := k.abandoned()
	whole := k.killedAfter(moment(nothing, all), k.create...)
	left := k.abandoned() - before
	ids := k.fresh()
	switch {
	case len(ids) > 1 || whole && len(ids) == 0:
		k.Fatalf("%s, after an end by itself (%v): there are %q", says, whole, ids)
	case whole:
		k.outcome["was whole"]++
	case len(ids) == 1:
		k.outcome["stored it, and was killed after"]++
	case left > 0:
		k.outcome["left a part"]++
	default:
		k.outcome["left nothing"]++
	}
	for _, id := range ids {
		k.well(slices.Concat([]string{"backup", "restore", id, "--store", k.place, "--to", "restored"}, k.opens)...)
		if got := k.look("restored"); got != k.look("src") {
			k.Fatalf("%s: what is stored is neither nothing nor all: %s", says, got)
		}
		k.must(os.RemoveAll(k.at("restored")))
	}
}

// fresh verifies the backups that were not there before, and returns their ids.
func (k *killings) fresh() (ids []string) {
	k.Helper()
	for _, id := range k.list(k.place) {
		if k.known[id] {
			continue
		}
		k.known[id] = true
		ids = append(ids, id)
		if e := k.run(slices.Concat([]string{"backup", "verify", id, "--store", k.place}, k.opens)...); e.code != 0 {
			k.Fatalf("%s is listed and not good: %v", id, e)
		}
	}
	return ids
}

// again creates without a kill, and what an interrupted one remembers does not mislead it.
func (k *killings) again() {
	k.Helper()
	k.well(k.create...)
	newest := k.list(k.place)[0]
	k.well(slices.Concat([]string{"backup", "restore", newest, "--store", k.place, "--to", "restored"}, k.opens)...)
	if k.look("restored") != k.look("src") {
		k.Errorf("a rerun after the kills stores another thing than there is")
	}
	k.must(os.RemoveAll(k.at("restored")))
	k.known[newest] = true
}

// prune leaves the newest alone, and nothing of what was killed.
func (k *killings) prune() {
	k.Helper()
	k.well("backup", "prune", "--store", k.place, "--keep-last", "1", "--auto-approve")
	if n := k.abandoned(); n != 0 {
		k.Errorf("%d abandoned backups are left after a prune", n)
	}
	if ids := k.list(k.place); len(ids) != 1 {
		k.Errorf("after a prune there are %q", ids)
	}
}

func TestAKilledCreateLeavesAWholeBackupOrNone(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.tree("src", "first", 20, 16<<20)
	k := &killings{
		host: h, place: h.at("store"), opens: []string{"--identity", "id.txt"}, known: map[string]bool{}, outcome: map[string]int{},
		create:    []string{"backup", "create", "files", "src", "--store", "store", "--recipient", h.recipient, "--retention", "90d"},
		abandoned: func() int { return len(h.beside("store")) },
	}
	nothing, all := h.timed(k.create...)
	k.fresh()
	for n := range createKills {
		k.kill(n, nothing, all)
		if n%20 == 19 {
			k.age()
			k.prune()
		}
	}
	t.Logf("of %d creations of about %v: %v", createKills, all, k.outcome)
	k.again()
	h.write("store/."+h.list("store")[0]+".ABCDEFGH.part", []byte("of one that was killed")) // whatever the kills left
	k.age()
	k.prune()
}

// age makes what is left in the directory old enough to be swept.
func (k *killings) age() {
	k.Helper()
	old := time.Now().Add(-72 * time.Hour)
	for _, part := range k.beside("store") {
		k.must(os.Chtimes(part, old, old))
	}
}

func TestAKilledCreateInABucketLeavesAWholeBackupOrNone(t *testing.T) {
	t.Parallel()
	h := newCloudHost(t)
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, operation, _ := h.server.Operation(r); operation != "ListMultipartUploads" {
			h.server.ServeHTTP(w, r)
			return
		}
		answer := httptest.NewRecorder()
		h.server.ServeHTTP(answer, r)
		w.Header().Set("Content-Type", answer.Header().Get("Content-Type"))
		w.WriteHeader(answer.Code)
		_, _ = w.Write(aged(answer.Body.Bytes())) // the program may be gone
	}))
	t.Cleanup(front.Close)
	h.calls(front.URL)
	h.tree("src", "first", 4, 34<<20) // three parts
	at := "s3://" + hostBucket + "/app"
	k := &killings{
		host: h.host, place: at, known: map[string]bool{}, outcome: map[string]int{}, abandoned: h.uploads,
		create: []string{"backup", "create", "files", "src", "--store", at, "--kms-key", h.key, "--retention", "90d"},
	}
	nothing, all := h.timed(k.create...)
	k.fresh()
	for n := range bucketKills {
		k.kill(n, nothing, all)
		if n%10 == 9 {
			k.prune() // what lies in the sandbox takes memory
		}
	}
	t.Logf("of %d creations of about %v: %v", bucketKills, all, k.outcome)
	k.again()
	_, err := h.s3().CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{Bucket: new(hostBucket), Key: new("app/" + h.list(at)[0] + store.Suffix)})
	h.must(err)
	k.prune()
}

// uploads is how many are unfinished in the bucket.
func (h *cloudHost) uploads() int {
	h.Helper()
	out, err := h.s3().ListMultipartUploads(h.Context(), &s3.ListMultipartUploadsInput{Bucket: new(hostBucket)})
	h.must(err)
	return len(out.Uploads)
}

func TestAKilledRestoreLeavesTheOldOrTheNew(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	ids, want := map[string]string{}, map[string]string{}
	for _, v := range []string{"one", "two"} {
		h.tree(v, v, 60, 12<<20)
		ids[v] = h.create("files", v, "--store", "store", "--recipient", h.recipient)
		want[v] = h.look(v)
	}
	command := func(v string) []string {
		return []string{"backup", "restore", ids[v], "--store", "store", "--identity", "id.txt", "--to", "in/target"}
	}
	h.must(os.Mkdir(h.at("in"), 0o700))
	h.well(command("one")...)
	nothing, all := h.timed(command("two")...)
	is, other := "two", "one"
	outcome := map[string]int{}
	for n := range restoreKills {
		if h.killedAfter(moment(nothing, all), command(other)...) {
			outcome["was whole"]++
		}
		if len(h.beside("in")) > 0 {
			outcome["left something beside"]++
		}
		switch h.look("in/target") {
		case want[is]:
			outcome["left the old"]++
		case want[other]:
			outcome["left the new"]++
			is, other = other, is
		default:
			t.Fatalf("after kill %d the target is neither the old nor the new", n)
		}
		h.previous(want)
	}
	t.Logf("of %d restores of about %v: %v", restoreKills, all, outcome)
	h.well(command(other)...)
	if h.look("in/target") != want[other] {
		t.Error("a restore after all of the kills restores another thing")
	}
	if left := h.beside("in"); len(left) > 0 {
		t.Errorf("there is left: %q", left)
	}
}

// previous looks whether all that was kept is whole, and makes room.
func (h *host) previous(want map[string]string) {
	h.Helper()
	kept, err := filepath.Glob(h.at("in/target.previous*"))
	h.must(err)
	for _, k := range kept {
		if got := h.look(strings.TrimPrefix(k, h.dir)); got != want["one"] && got != want["two"] {
			h.Fatalf("%s is neither", k)
		}
		h.must(os.RemoveAll(k))
	}
}

// series makes backups of one series, a day apart, and returns their ids, the newest first.
func (h *host) series(dir string, count int) (ids []string) {
	h.Helper()
	at, err := store.OpenDir(h.at(dir), true)
	h.must(err)
	recipients, err := (&recipientFlags{recipients: []string{h.recipient}}).prepare(h.Context(), &backupFlags{}, "", &streams{})
	h.must(err)
	for i := range count {
		made, err := (&backup.Creation{
			Source: &backup.Files{Root: h.at("src")}, Store: at, Name: "src", Recipients: recipients, Tool: "keyreach",
			Now: func() time.Time { return time.Now().AddDate(0, 0, i-count) },
		}).Run(h.Context())
		h.must(err)
		ids = append(ids, made.ID)
	}
	slices.Reverse(ids)
	return ids
}

func TestAKilledPruneTakesAwayNothingThatStays(t *testing.T) {
	t.Parallel()
	const keep, count = 2, 40
	h := newHost(t)
	h.tree("src", "it", 1, 10_000)
	ids := h.series("all", count)
	command := []string{"backup", "prune", "--store", "store", "--keep-last", fmt.Sprint(keep), "--auto-approve"}
	fill := func() {
		h.must(os.RemoveAll(h.at("store")))
		h.must(os.CopyFS(h.at("store"), os.DirFS(h.at("all"))))
		part := "store/." + ids[0] + ".ABCDEFGH.part"
		h.write(part, []byte("of one that was killed"))
		h.must(os.Chtimes(h.at(part), time.Time{}, time.Now().Add(-72*time.Hour)))
	}
	fill()
	nothing, all := h.timed(command...)
	outcome := map[string]int{}
	for n := range pruneKills {
		fill()
		h.killedAfter(moment(nothing, all), command...)
		left := h.list("store")
		if len(left) < keep || !slices.Equal(left, ids[:len(left)]) {
			t.Fatalf("after kill %d there are %q", n, left)
		}
		if e := h.run("backup", "verify", "--all", "--store", "store", "--identity", "id.txt"); e.code != 0 {
			t.Fatalf("after kill %d: %v", n, e)
		}
		switch len(left) {
		case keep:
			outcome["took all away"]++
		case count:
			outcome["took none away"]++
		default:
			outcome["took some away"]++
		}
		h.well(command...)
		if left := h.list("store"); !slices.Equal(left, ids[:keep]) || len(h.beside("store")) > 0 {
			t.Fatalf("after kill %d and a rerun there are %q and %q", n, left, h.beside("store"))
		}
	}
	t.Logf("of %d prunes of about %v: %v", pruneKills, all, outcome)
}
