package state

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	mrand "math/rand/v2"
	"sync"
)

// IDs makes the identifiers that AWS would make. With a seed they come out the
// same in every run; secrets never do.
type IDs struct {
	mu     sync.Mutex
	source *mrand.ChaCha8 // nil for ids that are random, which need no lock
}

// NewIDs returns a source of ids; seed 0 means that they are random.
func NewIDs(seed uint64) *IDs {
	if seed == 0 {
		return &IDs{}
	}
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	return &IDs{source: mrand.NewChaCha8(key)}
}

// Bytes returns n bytes for an id.
func (g *IDs) Bytes(n int) []byte {
	b := make([]byte, n)
	g.fill(b)
	return b
}

func (g *IDs) fill(b []byte) {
	if g.source == nil {
		for i := 0; i < len(b); i += 8 {
			var word [8]byte
			binary.LittleEndian.PutUint64(word[:], mrand.Uint64())
			copy(b[i:], word[:])
		}
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	_, _ = g.source.Read(b) // documented never to fail
}

// UUID returns a random UUID, as for keys and requests.
func (g *IDs) UUID() string {
	var b [16]byte
	g.fill(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	var out [36]byte
	hex.Encode(out[:8], b[:4])
	hex.Encode(out[9:13], b[4:6])
	hex.Encode(out[14:18], b[6:8])
	hex.Encode(out[19:23], b[8:10])
	hex.Encode(out[24:], b[10:])
	out[8], out[13], out[18], out[23] = '-', '-', '-', '-'
	return string(out[:])
}

// Hex returns n hexadecimal digits.
func (g *IDs) Hex(n int) string { return hex.EncodeToString(g.Bytes((n + 1) / 2))[:n] }

const base32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"

// Unique returns an IAM identifier: a prefix such as AROA and 17 letters and
// digits.
// See https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-unique-ids.
func (g *IDs) Unique(prefix string) string {
	b := g.Bytes(17)
	for i := range b {
		b[i] = base32[b[i]%32]
	}
	return prefix + string(b)
}

// Token returns a long opaque text of n random bytes.
func (g *IDs) Token(n int) string { return base64.StdEncoding.EncodeToString(g.Bytes(n)) }

// Secret returns a text that cannot be guessed, whatever the seed.
func Secret(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails since Go 1.24
	return base64.StdEncoding.EncodeToString(b)
}
