package kms

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// A ciphertext of the sandbox names its key, so that Decrypt finds it, and is
// bound to the key's material and to the encryption context:
//
//	magic (4) · account (8) · key id (16) · material (16) · nonce (12) · AES-256-GCM
//
// Everything before the nonce and the encryption context are authenticated. AWS's
// own form is not documented; this one starts with the same bytes.
const (
	plainMagic = "\x01\x02\x02\x00"
	multiMagic = "\x01\x02\x02\x01" // of a multi-Region key

	magicSize, accountSize, idSize, materialSize, nonceSize = 4, 8, 16, 16, 12

	headSize = magicSize + accountSize + idSize + materialSize
	tagSize  = 16
)

// blobHead is what a ciphertext says of itself.
type blobHead struct {
	account, keyID string
	material       string // the first half of its id
	multi          bool
}

func parseBlob(blob []byte) (blobHead, bool) {
	if len(blob) < headSize+nonceSize+tagSize {
		return blobHead{}, false
	}
	magic := string(blob[:magicSize])
	if magic != plainMagic && magic != multiMagic {
		return blobHead{}, false
	}
	h := blobHead{multi: magic == multiMagic}
	account := strconv.FormatUint(binary.BigEndian.Uint64(blob[magicSize:]), 10)
	if len(account) > 12 {
		return blobHead{}, false
	}
	h.account = strings.Repeat("0", 12-len(account)) + account
	id := hex.EncodeToString(blob[magicSize+accountSize : magicSize+accountSize+idSize])
	if h.multi {
		h.keyID = "mrk-" + id
	} else {
		h.keyID = id[:8] + "-" + id[8:12] + "-" + id[12:16] + "-" + id[16:20] + "-" + id[20:]
	}
	h.material = hex.EncodeToString(blob[headSize-materialSize : headSize])
	return h, true
}

// appendHead writes the head of a ciphertext.
func appendHead(b []byte, k *Key, m *Material) []byte {
	id, multi := strings.CutPrefix(k.ID, "mrk-")
	magic := plainMagic
	if multi {
		magic = multiMagic
	}
	b = append(b, magic...)
	account, _ := strconv.ParseUint(k.Account, 10, 64) // twelve digits
	b = binary.BigEndian.AppendUint64(b, account)
	raw, _ := hex.DecodeString(strings.ReplaceAll(id, "-", "")) // the form of key ids
	b = append(b, raw...)
	material, _ := hex.DecodeString(m.ID[:2*materialSize])
	return append(b, material...)
}

// ciphers are the ciphers of materials, made once.
type ciphers struct{ known sync.Map } // material id → cipher.AEAD

func (c *ciphers) of(m *Material) (cipher.AEAD, error) {
	if a, ok := c.known.Load(m.ID); ok {
		return a.(cipher.AEAD), nil
	}
	block, err := aes.NewCipher(m.Secret)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	c.known.Store(m.ID, aead)
	return aead, nil
}

// seal encrypts under the key's current material.
func (s *Service) seal(k *Key, plaintext []byte, context map[string]string) ([]byte, error) {
	m := k.current()
	aead, err := s.ciphers.of(m)
	if err != nil {
		return nil, err
	}
	blob := make([]byte, 0, headSize+nonceSize+len(plaintext)+tagSize)
	blob = appendHead(blob, k, m)
	nonce := blob[headSize : headSize+nonceSize]
	_, _ = rand.Read(nonce) // never fails since Go 1.24
	blob = blob[:headSize+nonceSize]
	return aead.Seal(blob, nonce, plaintext, associated(blob[:headSize], context)), nil
}

// open decrypts what seal made. Every failure is the same to the caller.
func (s *Service) open(k *Key, blob []byte, context map[string]string) ([]byte, *Material, error) {
	h, ok := parseBlob(blob)
	if !ok {
		return nil, nil, invalidCiphertext()
	}
	if h.account != k.Account || h.keyID != k.ID {
		return nil, nil, incorrectKey()
	}
	for i := range k.Materials {
		m := &k.Materials[i]
		if m.ID[:2*materialSize] != h.material {
			continue
		}
		if m.Gone {
			return nil, nil, refuse("KMSInvalidStateException", k.arn+" is pending import.")
		}
		aead, err := s.ciphers.of(m)
		if err != nil {
			return nil, nil, err
		}
		plaintext, err := aead.Open(nil, blob[headSize:headSize+nonceSize], blob[headSize+nonceSize:], associated(blob[:headSize], context))
		if err != nil {
			return nil, nil, invalidCiphertext()
		}
		return plaintext, m, nil
	}
	return nil, nil, invalidCiphertext()
}

// associated is the head and the encryption context in one order, every part
// with its length before it so that no two contexts come out the same.
func associated(head []byte, context map[string]string) []byte {
	if len(context) == 0 {
		return head
	}
	b := slices.Clone(head)
	names := make([]string, 0, 8)
	for name := range context {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		for _, part := range [2]string{name, context[name]} {
			b = binary.BigEndian.AppendUint32(b, uint32(len(part)))
			b = append(b, part...)
		}
	}
	return b
}
