package blocks

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/keyreach/keyreach/sandbox/state"
)

// Size is that of a block.
// See https://docs.aws.amazon.com/ebs/latest/userguide/ebs-accessing-snapshot.html.
const Size = 512 << 10

// layer is blocks that lie upon those of another layer. A snapshot has one, and its
// copies and the volumes made of it share it.
type layer struct {
	Parent string `json:",omitempty"`
	Users  int
}

// block is one that a layer has.
type block struct{ Sum string }

// content is what blocks hold, once however many hold it.
type content struct{ Data []byte }

// users is how many blocks hold the same.
type users struct{ N int }

// Sum is the checksum of a block: SHA-256 in base64.
func Sum(data []byte) string {
	sum := sha256.Sum256(data)
	return base64.StdEncoding.EncodeToString(sum[:])
}

// NewLayer makes an empty layer upon another, which may be empty. It is called in
// Update, as all that follows but Sums and Read.
func (s *Store) NewLayer(id, parent string) {
	s.layers.Put(id, &layer{Parent: parent, Users: 1})
	s.Share(parent)
}

// Share counts one more user of a layer.
func (s *Store) Share(id string) {
	if l := s.layers.Get(id); l != nil {
		s.layers.Put(id, &layer{l.Parent, l.Users + 1})
	}
}

// Release counts one user of a layer less, and takes away what nobody uses.
func (s *Store) Release(id string) {
	for id != "" {
		l := s.layers.Get(id)
		if l == nil {
			return
		}
		if l.Users > 1 {
			s.layers.Put(id, &layer{l.Parent, l.Users - 1})
			return
		}
		for key, b := range s.blocks.All(state.Key(id, "")) {
			s.forget(b.Sum)
			s.blocks.Delete(key)
		}
		s.layers.Delete(id)
		id = l.Parent
	}
}

func (s *Store) forget(sum string) {
	if u := s.users.Get(sum); u != nil && u.N > 1 {
		s.users.Put(sum, &users{u.N - 1})
		return
	}
	s.users.Delete(sum)
	s.content.Delete(sum)
}

// Write stores a block whose checksum is known.
func (s *Store) Write(id string, index int32, data []byte, sum string) {
	key := blockKey(id, index)
	if old := s.blocks.Get(key); old != nil {
		if old.Sum == sum {
			return
		}
		s.forget(old.Sum)
	}
	n := 1
	if u := s.users.Get(sum); u != nil {
		n = u.N + 1
	} else {
		s.content.Put(sum, &content{data})
	}
	s.users.Put(sum, &users{n})
	s.blocks.Put(key, &block{sum})
}

func blockKey(id string, index int32) string { return state.Key(id, fmt.Sprintf("%010d", index)) }

// Read returns what a block holds and its checksum, false for one that was never
// written.
func (s *Store) Read(id string, index int32) (data []byte, sum string, ok bool) {
	for id != "" {
		if b := s.blocks.Get(blockKey(id, index)); b != nil {
			return s.content.Get(b.Sum).Data, b.Sum, true
		}
		l := s.layers.Get(id)
		if l == nil {
			return nil, "", false
		}
		id = l.Parent
	}
	return nil, "", false
}

// Sums are the checksums of all blocks that were written, by index.
func (s *Store) Sums(id string) map[int32]string {
	sums := map[int32]string{}
	for id != "" {
		for key, b := range s.blocks.All(state.Key(id, "")) {
			n, err := strconv.ParseInt(key[strings.LastIndexByte(key, 0)+1:], 10, 32)
			if err != nil {
				continue // no key of ours
			}
			if _, over := sums[int32(n)]; !over {
				sums[int32(n)] = b.Sum
			}
		}
		l := s.layers.Get(id)
		if l == nil {
			break
		}
		id = l.Parent
	}
	return sums
}

// OwnSums are the checksums of the blocks that a layer itself has, in order.
func (s *Store) OwnSums(id string) (sums []string) {
	for _, b := range s.blocks.All(state.Key(id, "")) {
		sums = append(sums, b.Sum)
	}
	return sums
}

// Indexes are the indexes of checksums in order.
func Indexes(sums map[int32]string) []int32 { return slices.Sorted(maps.Keys(sums)) }
