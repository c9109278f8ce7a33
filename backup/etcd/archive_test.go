package etcd_test

import (
	"bytes"
	"crypto/sha256"
	"os"
	"path/filepath"
	"testing"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"

	"github.com/keyreach/keyreach/backup/archive"
	"github.com/keyreach/keyreach/backup/envelope"
	"github.com/keyreach/keyreach/backup/etcd"
)

func newArchive(t *testing.T) (*archive.Writer, *bytes.Buffer) {
	t.Helper()
	var out bytes.Buffer
	w, err := archive.NewWriter(&out, archive.Header{ID: "id", Kind: "etcd", Name: "test"})
	if err != nil {
		t.Fatal(err)
	}
	return w, &out
}

func TestASnapshotComesOutOfAnArchiveAsTheMemberSentIt(t *testing.T) {
	t.Parallel()
	data := database(t, 100)
	sum := sha256.Sum256(data)
	source := etcd.Source{Endpoints: []string{(&fake{messages: parts(data, sum[:])}).serve(t)}}
	w, out := newArchive(t)
	if _, err := source.Save(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Close(); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	_, manifest, err := archive.Extract(t.Context(), out, dir, archive.Limits{})
	if err != nil || manifest.Notes[etcd.NoteCluster] != "a" || manifest.Notes[etcd.NoteRevision] != "12" || manifest.Notes[etcd.NoteExact] != "no" {
		t.Fatalf("%v, notes %v", err, manifest.Notes)
	}
	path := filepath.Join(dir, etcd.Member)
	if got, _ := os.ReadFile(path); string(got) != string(hashed(data)) {
		t.Errorf("%d bytes came out, not those of the member", len(got))
	}
	if info, err := etcd.Check(path); err != nil || info.Keys != 100 {
		t.Errorf("%+v, %v", info, err)
	}
}

func TestASnapshotThatIsBadMakesNoArchive(t *testing.T) {
	t.Parallel()
	data := database(t, 100)
	other := sha256.Sum256([]byte("other"))
	sum := sha256.Sum256(data)
	for want, messages := range map[envelope.Class][]*pb.SnapshotResponse{
		envelope.Corrupt: parts(data, other[:]), envelope.Truncated: parts(data, sum[:])[:5],
	} {
		w, _ := newArchive(t)
		_, err := etcd.Source{Endpoints: []string{(&fake{messages: messages}).serve(t)}}.Save(t.Context(), w)
		if envelope.ClassOf(err) != want {
			t.Errorf("class %q of %v, want %q", envelope.ClassOf(err), err, want)
		}
		if _, err := w.Close(); err == nil {
			t.Errorf("%s: the archive could be finished", want)
		}
	}
}
