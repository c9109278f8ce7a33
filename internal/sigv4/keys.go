package sigv4

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"sync"
)

// Keys makes signing keys and remembers the latest.
type Keys struct {
	mu    sync.RWMutex
	known map[scope]*signer
	texts sync.Pool // *[]byte, for canonical requests
}

// signer signs with one key. Its HMACs are used again: the key is in them.
type signer struct{ macs sync.Pool }

type keyed struct {
	hash.Hash
	sum [sha256.Size]byte
}

func newSigner(key []byte) *signer {
	return &signer{sync.Pool{New: func() any { return &keyed{Hash: hmac.New(sha256.New, key)} }}}
}

// appendSign appends the signature of a text, in hexadecimal digits.
func (s *signer) appendSign(b, text []byte) []byte {
	h := s.macs.Get().(*keyed)
	defer s.macs.Put(h)
	h.Reset()
	h.Write(text)
	return hex.AppendEncode(b, h.Sum(h.sum[:0]))
}

type scope struct{ secret, date, region, service string }

// maxKeys is how many signing keys are remembered.
const maxKeys = 4096

func (k *Keys) get(s scope) *signer {
	k.mu.RLock()
	known := k.known[s]
	k.mu.RUnlock()
	if known != nil {
		return known
	}
	key := mac([]byte("AWS4"+s.secret), s.date)
	for _, part := range []string{s.region, s.service, terminator} {
		key = mac(key, part)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.known == nil || len(k.known) >= maxKeys {
		k.known = map[scope]*signer{}
	}
	known = newSigner(key)
	k.known[s] = known
	return known
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}
