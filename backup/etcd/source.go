package etcd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"strings"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/keyreach/keyreach/backup/envelope"
)

// Source is a cluster that is running. See
// https://etcd.io/docs/v3.6/op-guide/security/ for what the files are.
type Source struct {
	// Endpoints are tried in their order; a snapshot is of one of them.
	Endpoints []string
	// Cert and Key are the client's, CACert what signs the members'; all in PEM.
	Cert, Key, CACert string
	// User is one with the role root, where authentication is on.
	User string
	// Password gives the user's. It is called once for a connection.
	Password func() (string, error)
	// DialTimeout is how long an endpoint may take to answer; 5 seconds when zero.
	DialTimeout time.Duration
}

// Taken is a snapshot that was taken.
type Taken struct {
	Endpoint string
	Version  string
	// Cluster and Member are ids in hexadecimal.
	Cluster, Member string
	// Revision is that of the snapshot when Exact, else the one just before it.
	Revision int64
	Exact    bool
	// Size counts the hash in.
	Size int64
	// Hash is sha256 or none.
	Hash string
	// Leaderless: the member saw no leader, and may lack what others have.
	Leaderless bool
	// Fingerprint is what Source.Fingerprint gave just before.
	Fingerprint string
	// PassedOver are the endpoints that were not taken, with the reasons.
	PassedOver []Attempt
}

// member is an endpoint that answered.
type member struct {
	endpoint string
	client   *clientv3.Client
	status   *pb.StatusResponse
	// auth is the revision of users and roles, which changes of them raise and not that
	// of the store; empty on members before 3.5.
	auth string
}

func (m *member) close() { _ = m.client.Close() }

func (m *member) fingerprint() string {
	return fmt.Sprintf("etcd/%x/%d/%s", m.status.Header.ClusterId, m.status.Header.Revision, m.auth)
}

// Fingerprint is the same as long as nothing was written to the cluster's store. It is
// made of the cluster's id, the revision, and from etcd 3.5 on the revision of users.
func (s Source) Fingerprint(ctx context.Context) (string, error) {
	var print string
	_, err := s.first(ctx, func(m *member) (bool, error) {
		print = m.fingerprint()
		return true, nil
	})
	return print, err
}

// Save takes a snapshot of the first endpoint that gives one and writes it as Member. An
// endpoint that does not answer, is a learner, or has raised the alarm CORRUPT is passed
// over; one that sees no leader is taken when there is no other. When a snapshot breaks
// off or is not what its hash says, Save fails: what was written has no end, and no part
// of another member's is put behind it. Failures have a class, or are *Unreachable.
func (s Source) Save(ctx context.Context, w Writer) (Taken, error) {
	var t Taken
	passed, err := s.first(ctx, func(m *member) (begun bool, err error) {
		t, begun, err = s.save(ctx, w, m)
		return begun, err
	})
	t.PassedOver = passed
	return t, err
}

// first tries the endpoints until one is used, and returns those that were not. Those
// that see no leader come last.
func (s Source) first(ctx context.Context, use func(*member) (begun bool, err error)) ([]Attempt, error) {
	var passed []Attempt
	try := func(endpoint string, leader bool) (done bool, err error) {
		m, err := s.reach(ctx, endpoint, leader)
		if err == nil {
			defer m.close()
			done, err = use(m)
		}
		if done || err == nil {
			return true, err
		}
		passed = note(passed, endpoint, err)
		return false, err
	}
	var later []string
	for _, e := range s.Endpoints {
		done, err := try(e, true)
		if done {
			return passed, err
		}
		if errors.Is(err, errLeaderless) {
			later = append(later, e)
		}
	}
	for _, e := range later {
		if done, err := try(e, false); done {
			return passed, err
		}
	}
	return passed, s.unreachable(ctx, passed)
}

func (s Source) wait() time.Duration {
	if s.DialTimeout > 0 {
		return s.DialTimeout
	}
	return 5 * time.Second
}

// reach connects to one endpoint, and refuses a member whose snapshot is of no use.
func (s Source) reach(ctx context.Context, endpoint string, leader bool) (*member, error) {
	c, err := s.client(ctx, endpoint)
	if err != nil {
		return nil, err
	}
	m := &member{endpoint: endpoint, client: c}
	if err := m.ask(ctx, s.wait()); err != nil {
		m.close()
		return nil, err
	}
	if err := m.fit(leader); err != nil {
		m.close()
		return nil, err
	}
	return m, nil
}

// client connects to the one endpoint and no other, so that the status and the snapshot
// are of the same member.
func (s Source) client(ctx context.Context, endpoint string) (*clientv3.Client, error) {
	config := clientv3.Config{
		Endpoints: []string{endpoint}, Context: ctx, DialTimeout: s.wait(),
		DialKeepAliveTime: 10 * time.Second, DialKeepAliveTimeout: 10 * time.Second,
		Logger: zap.NewNop(), MaxUnaryRetries: 1,
	}
	t, err := s.tls()
	if err != nil {
		return nil, err
	}
	if t != nil && strings.HasPrefix(endpoint, "http://") {
		return nil, &refusal{errors.New("certificates are given, and the endpoint is http"), "write https:// before it"}
	}
	config.TLS = t
	if s.User != "" {
		if s.Password == nil {
			return nil, &refusal{errors.New("a user is given and no password"), ""}
		}
		config.Username = s.User
		if config.Password, err = s.Password(); err != nil {
			return nil, fmt.Errorf("reading the password of user %s: %w", s.User, err)
		}
	}
	c, err := clientv3.New(config)
	if err != nil {
		return nil, err
	}
	return c, nil
}

func (m *member) ask(ctx context.Context, wait time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	status, err := pb.NewMaintenanceClient(m.client.ActiveConnection()).Status(ctx, &pb.StatusRequest{})
	if err != nil {
		return err
	}
	if status.Header == nil {
		return envelope.Fail(envelope.Corrupt, errors.New("the answer has no header"))
	}
	m.status = status
	// Members before 3.5 do not know the call, others may refuse it; both say so always.
	if auth, err := pb.NewAuthClient(m.client.ActiveConnection()).AuthStatus(ctx, &pb.AuthStatusRequest{}); err == nil {
		m.auth = strconv.FormatUint(auth.AuthRevision, 10)
	}
	return nil
}

func (m *member) fit(leader bool) error {
	if m.status.IsLearner {
		return errors.New("a learner, which may lack what the cluster has")
	}
	// The status has the alarms of all members, in words.
	own := fmt.Sprintf("memberID:%d ", m.status.Header.MemberId)
	for _, e := range m.status.Errors {
		if strings.Contains(e, pb.AlarmType_CORRUPT.String()) && (strings.Contains(e, own) || !strings.Contains(e, "memberID:")) {
			return envelope.Fail(envelope.Corrupt, fmt.Errorf("the member raised an alarm: %s", e))
		}
	}
	if leader && m.status.Leader == 0 {
		return errLeaderless
	}
	return nil
}

var errLeaderless = errors.New("the member sees no leader, and may lack what others have")

// save takes the member's snapshot. begun tells whether w was written to.
func (s Source) save(ctx context.Context, w Writer, m *member) (t Taken, begun bool, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	// Only the beginning has a limit: a snapshot takes the time that it takes.
	late := fmt.Errorf("no snapshot began within %s", s.wait())
	timer := time.AfterFunc(s.wait(), func() { cancel(late) })
	stream, err := pb.NewMaintenanceClient(m.client.ActiveConnection()).Snapshot(ctx, &pb.SnapshotRequest{})
	if err != nil {
		return t, false, err
	}
	first, err := stream.Recv()
	if !timer.Stop() { // also when it began at that moment: the stream is broken off
		cancel(late) // which the timer may be about to do
		return t, false, context.Cause(ctx)
	}
	if err != nil {
		return t, false, err
	}
	t = m.taken(first)
	if t.Size%page != 32 || t.Size < 2*page {
		return t, false, envelope.Fail(envelope.Corrupt, fmt.Errorf("the member announces a snapshot of %d bytes, which is not that of a database and its hash", t.Size))
	}
	r := newHeld(&received{next: stream.Recv, rest: first.Blob}, t.Size)
	if err := w.Stream(Member, 0o600, time.Now(), t.Size, r); err != nil {
		return t, true, fmt.Errorf("taking the snapshot of %s: %w", m.endpoint, err)
	}
	t.notes(w)
	return t, true, nil
}

// taken works out the size beforehand: the first message tells how much of the database
// follows, and does not count the hash in.
func (m *member) taken(first *pb.SnapshotResponse) Taken {
	t := Taken{
		Endpoint: m.endpoint, Version: m.status.Version, Leaderless: m.status.Leader == 0,
		Cluster: fmt.Sprintf("%x", m.status.Header.ClusterId), Member: fmt.Sprintf("%x", m.status.Header.MemberId),
		Revision: m.status.Header.Revision, Hash: "sha256", Fingerprint: m.fingerprint(),
	}
	if total := first.RemainingBytes + uint64(len(first.Blob)); total < 1<<62 {
		t.Size = int64(total)
	}
	if t.Size%page == 0 {
		t.Size += 32
	}
	if h := first.Header; h != nil && h.Revision > 0 {
		t.Revision, t.Exact = h.Revision, true
	}
	if first.Version != "" {
		t.Version = first.Version
	}
	return t
}

func (t Taken) notes(w Writer) {
	yes := map[bool]string{true: "yes", false: "no"}
	pairs := [][2]string{
		{NoteCluster, t.Cluster}, {NoteMember, t.Member}, {NoteEndpoint, t.Endpoint}, {NoteVersion, t.Version},
		{NoteRevision, strconv.FormatInt(t.Revision, 10)}, {NoteExact, yes[t.Exact]}, {NoteHash, t.Hash},
		{NoteSize, strconv.FormatInt(t.Size, 10)},
	}
	if t.Leaderless {
		pairs = append(pairs, [2]string{NoteLeader, "none"})
	}
	for _, p := range pairs {
		if p[1] != "" {
			w.Note(p[0], p[1])
		}
	}
}

// received reads the messages of a stream.
type received struct {
	next func() (*pb.SnapshotResponse, error)
	rest []byte
}

func (r *received) Read(p []byte) (int, error) {
	for len(r.rest) == 0 {
		m, err := r.next()
		if errors.Is(err, io.EOF) {
			return 0, io.EOF
		}
		if err != nil {
			return 0, broken(err)
		}
		r.rest = m.Blob
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// mode of files that are taken over is the owner's only: they hold the whole cluster.
const mode fs.FileMode = 0o600
