package etcd_test

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.etcd.io/bbolt"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"

	"github.com/keyreach/keyreach/backup/envelope"
	"github.com/keyreach/keyreach/backup/etcd"
)

// database is one of etcd's form, as a copied member/snap/db is.
func database(t *testing.T, records int) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "db")
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucket([]byte("key"))
		for i := range records {
			name := append(binary.BigEndian.AppendUint64(nil, uint64(i)), "_\x00\x00\x00\x00\x00\x00\x00\x00"...)
			key := fmt.Sprintf("key%04d", i)
			err = errors.Join(err, b.Put(name, fmt.Appendf(nil, "\x0a%c%s\x2a\x03abc", len(key), key)))
		}
		return err
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func hashed(data []byte) []byte {
	sum := sha256.Sum256(data)
	return append(append([]byte{}, data...), sum[:]...)
}

func TestWhatIsWrongWithASnapshotFileIsToldBeforeItIsTaken(t *testing.T) {
	t.Parallel()
	db := database(t, 400)
	snapshot := hashed(db)
	flip := func(b []byte, i int) []byte {
		b = append([]byte{}, b...)
		b[i] ^= 4
		return b
	}
	for name, test := range map[string]struct {
		data   []byte
		noHash bool
		want   envelope.Class
	}{
		"a flipped bit in a value":            {flip(snapshot, len(snapshot)/2), false, envelope.Corrupt},
		"a flipped bit in the last page":      {flip(snapshot, len(db)-1), false, envelope.Corrupt},
		"a flipped bit in the hash":           {flip(snapshot, len(snapshot)-1), false, envelope.Corrupt},
		"the hash of another file":            {append(append([]byte{}, db...), hashed(database(t, 3))[len(database(t, 3)):]...), false, envelope.Corrupt},
		"no hash, and one is wanted":          {db, false, envelope.Corrupt},
		"a byte too few":                      {snapshot[:len(snapshot)-1], false, envelope.Truncated},
		"half of it":                          {snapshot[:len(snapshot)/2], false, envelope.Truncated},
		"half of it, and the size of a whole": {snapshot[:4096*5+32], false, envelope.Truncated},
		"half of a copied database":           {db[:4096*4], true, envelope.Truncated},
		"nothing":                             {nil, true, envelope.Truncated},
		"no database":                         {make([]byte, 8192), true, envelope.Corrupt},
		"a flipped bit in both first pages":   {flip(flip(db, 30), 4096+30), true, envelope.Corrupt},
		"a byte appended":                     {append(append([]byte{}, snapshot...), 0), false, envelope.Truncated},
		"a database of something else":        {foreign(t), true, envelope.Corrupt},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := file(t, test.data)
			m := &memory{}
			_, err := etcd.File{Path: path, NoHash: test.noHash}.Save(m)
			if got := envelope.ClassOf(err); got != test.want {
				t.Errorf("class %q of %v, want %q", got, err, test.want)
			}
			if len(m.data) > 0 {
				t.Errorf("%d bytes were written before", len(m.data))
			}
		})
	}
	if _, err := (etcd.File{Path: filepath.Join(t.TempDir(), "none")}).Save(&memory{}); envelope.ClassOf(err) != envelope.NotFound {
		t.Errorf("no file: %v", err)
	}
}

// foreign is a database without keys of etcd.
func foreign(t *testing.T) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "db")
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestEveryLengthOfACutSnapshotIsRefused(t *testing.T) {
	t.Parallel()
	snapshot := hashed(database(t, 60))
	path := file(t, snapshot)
	if info, err := etcd.Check(path); err != nil || info.Keys != 60 || info.Revision != 59 || info.Hash != "sha256" {
		t.Fatalf("the whole one: %+v, %v", info, err)
	}
	for size := int64(len(snapshot)) - 1; size >= 0; size -= 7 {
		if err := os.Truncate(path, size); err != nil {
			t.Fatal(err)
		}
		_, err := etcd.File{Path: path}.Save(&memory{})
		if class := envelope.ClassOf(err); class != envelope.Truncated && class != envelope.Corrupt {
			t.Fatalf("cut to %d bytes: %v", size, err)
		}
	}
}

func TestASnapshotFileWithItsHashOrWithoutIsTakenAsItIs(t *testing.T) {
	t.Parallel()
	db := database(t, 200)
	for want, s := range map[string]etcd.File{
		"sha256": {Path: file(t, hashed(db))}, "none": {Path: file(t, db), NoHash: true},
	} {
		m := &memory{}
		taken, err := s.Save(m)
		if err != nil {
			t.Fatal(err)
		}
		if taken.Hash != want || m.notes[etcd.NoteHash] != want || m.notes[etcd.NoteKeys] != "200" || taken.Revision != 199 {
			t.Errorf("%s: %+v, notes %v", want, taken, m.notes)
		}
		if data, _ := os.ReadFile(s.Path); string(m.data) != string(data) {
			t.Errorf("%s: other bytes were written", want)
		}
	}
}

// fake answers as a member does, with what it is told.
type fake struct {
	pb.UnimplementedMaintenanceServer
	status   *pb.StatusResponse
	messages []*pb.SnapshotResponse
}

func (f *fake) Status(context.Context, *pb.StatusRequest) (*pb.StatusResponse, error) {
	return f.status, nil
}

func (f *fake) Snapshot(_ *pb.SnapshotRequest, s pb.Maintenance_SnapshotServer) error {
	for _, m := range f.messages {
		if err := s.Send(m); err != nil {
			return err
		}
	}
	return nil
}

func (f *fake) serve(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if f.status == nil {
		f.status = &pb.StatusResponse{Header: &pb.ResponseHeader{ClusterId: 10, MemberId: 11, Revision: 12}, Leader: 11, Version: "3.4.0"}
	}
	s := grpc.NewServer()
	pb.RegisterMaintenanceServer(s, f)
	go func() { _ = s.Serve(l) }()
	t.Cleanup(s.Stop)
	return "http://" + l.Addr().String()
}

// parts are the messages by which a member sends a snapshot.
func parts(data, hash []byte) []*pb.SnapshotResponse {
	var messages []*pb.SnapshotResponse
	for rest := data; len(rest) > 0; {
		n := min(3000, len(rest))
		messages = append(messages, &pb.SnapshotResponse{Blob: rest[:n], RemainingBytes: uint64(len(rest) - n)})
		rest = rest[n:]
	}
	if hash != nil {
		messages = append(messages, &pb.SnapshotResponse{Blob: hash})
	}
	return messages
}

func TestAStreamThatIsNotWhatItsHashSaysHasNoEnd(t *testing.T) {
	t.Parallel()
	data := database(t, 100)
	sum := sha256.Sum256(data)
	other := sha256.Sum256([]byte("other"))
	flipped := append([]byte{}, data...)
	flipped[len(data)/2] ^= 1
	whole := parts(data, sum[:])
	for name, test := range map[string]struct {
		messages []*pb.SnapshotResponse
		want     envelope.Class
	}{
		"as it is":             {whole, ""},
		"a flipped bit":        {parts(flipped, sum[:]), envelope.Corrupt},
		"the hash of another":  {parts(data, other[:]), envelope.Corrupt},
		"no hash":              {parts(data, nil), envelope.Truncated},
		"half a hash":          {parts(data, sum[:16]), envelope.Truncated},
		"a part is missing":    {append(append([]*pb.SnapshotResponse{}, whole[:3]...), whole[4:]...), envelope.Truncated},
		"two parts swapped":    {append(append([]*pb.SnapshotResponse{}, whole[0], whole[2], whole[1]), whole[3:]...), envelope.Corrupt},
		"a part comes twice":   {append(append([]*pb.SnapshotResponse{}, whole[:2]...), whole[1:]...), envelope.Corrupt},
		"something behind it":  {append(append([]*pb.SnapshotResponse{}, whole...), &pb.SnapshotResponse{Blob: []byte{1}}), envelope.Corrupt},
		"it ends in the first": {whole[:1], envelope.Truncated},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := &memory{}
			// The second member is whole: it must not be taken for the rest of the first.
			good := &fake{messages: whole}
			taken, err := etcd.Source{Endpoints: []string{(&fake{messages: test.messages}).serve(t), good.serve(t)}}.Save(t.Context(), m)
			if got := envelope.ClassOf(err); got != test.want {
				t.Fatalf("class %q of %v, want %q", got, err, test.want)
			}
			if test.want == "" {
				if err != nil || string(m.data) != string(hashed(data)) || taken.Size != int64(len(m.data)) {
					t.Errorf("%d bytes, %+v, %v", len(m.data), taken, err)
				}
				return
			}
			if len(m.data) > len(data) || len(m.notes) > 0 {
				t.Errorf("%d of %d bytes and the notes %v were given", len(m.data), len(data)+32, m.notes)
			}
		})
	}
}

func TestMembersOfNoUseArePassedOver(t *testing.T) {
	t.Parallel()
	data := database(t, 10)
	sum := sha256.Sum256(data)
	header := &pb.ResponseHeader{ClusterId: 10, MemberId: 11, Revision: 12}
	learner := &fake{status: &pb.StatusResponse{Header: header, Leader: 1, IsLearner: true}, messages: parts(data, sum[:])}
	corrupt := &fake{status: &pb.StatusResponse{Header: header, Leader: 1, Errors: []string{"memberID:11 alarm:CORRUPT "}}, messages: parts(data, sum[:])}
	lonely := &fake{status: &pb.StatusResponse{Header: header}, messages: parts(data, sum[:])}
	empty := &fake{}
	good := &fake{messages: parts(data, sum[:])}
	// The alarm of another member is none of this one's.
	good.status = &pb.StatusResponse{Header: header, Leader: 11, Errors: []string{"memberID:12 alarm:CORRUPT "}}
	dead := "http://" + port(t)
	first := []string{learner.serve(t), corrupt.serve(t), dead, empty.serve(t), lonely.serve(t)}

	last := good.serve(t)
	taken, err := etcd.Source{Endpoints: append(append([]string{}, first...), last)}.Save(t.Context(), &memory{})
	if err != nil || taken.Endpoint != last || taken.Leaderless || len(taken.PassedOver) != len(first) {
		t.Errorf("with a good one: %+v, %v", taken, err)
	}
	m := &memory{}
	taken, err = etcd.Source{Endpoints: first}.Save(t.Context(), m)
	if err != nil || taken.Endpoint != first[4] || !taken.Leaderless || m.notes[etcd.NoteLeader] != "none" {
		t.Errorf("with one that sees no leader: %+v, %v", taken, err)
	}
	_, err = etcd.Source{Endpoints: first[:4]}.Save(t.Context(), &memory{})
	var none *etcd.Unreachable
	if !errors.As(err, &none) || len(none.Attempts) != 4 {
		t.Fatalf("with none: %v", err)
	}
	for i, part := range []string{"learner", "CORRUPT", "connection refused", "EOF"} {
		if text := none.Attempts[i].Err.Error(); !strings.Contains(text, part) {
			t.Errorf("%s: %s, want %s in it", none.Attempts[i].Endpoint, text, part)
		}
	}
	if hints := none.Hints(); len(hints) != 1 || !strings.Contains(hints[0], "nothing listens") {
		t.Errorf("hints %q", hints)
	}
	if _, err := (etcd.Source{}).Save(t.Context(), &memory{}); !errors.As(err, &none) {
		t.Errorf("without endpoints: %v", err)
	}
}
