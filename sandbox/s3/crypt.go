package s3

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"math/bits"
)

// Objects under SSE-KMS are encrypted with AES-256 in counter mode, each file with a
// start of its own, so that a range can be read without what is before it. The key of
// the bytes stands, wrapped, under the data key that KMS made.

const keySize = 32

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails since Go 1.24
	return b
}

// streamAt is the cipher of a file from an offset on.
func streamAt(key, iv []byte, offset int64) (cipher.Stream, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("encrypting an object: %w", err)
	}
	var counter [aes.BlockSize]byte
	low, carry := bits.Add64(binary.BigEndian.Uint64(iv[8:]), uint64(offset)/aes.BlockSize, 0)
	binary.BigEndian.PutUint64(counter[8:], low)
	binary.BigEndian.PutUint64(counter[:8], binary.BigEndian.Uint64(iv)+carry)
	c := cipher.NewCTR(block, counter[:])
	var skipped [aes.BlockSize]byte
	skip := skipped[:offset%aes.BlockSize]
	c.XORKeyStream(skip, skip)
	return c, nil
}

func wrapper(dataKey []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(dataKey)
	if err != nil {
		return nil, fmt.Errorf("wrapping the key of an object: %w", err)
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// wrap encrypts the key of an object.
func wrap(dataKey, key []byte) ([]byte, error) {
	a, err := wrapper(dataKey)
	if err != nil {
		return nil, err
	}
	return a.Seal(nil, nil, key, nil), nil
}

func unwrap(dataKey, wrapped []byte) ([]byte, error) {
	a, err := wrapper(dataKey)
	if err != nil {
		return nil, err
	}
	key, err := a.Open(nil, nil, wrapped, nil)
	if err != nil {
		return nil, fmt.Errorf("opening the key of an object: %w", err)
	}
	return key, nil
}
