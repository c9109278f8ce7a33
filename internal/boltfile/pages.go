// Package boltfile reads databases of bbolt that may be damaged.
//
// bbolt maps a database into memory and follows what it reads there, so a damaged one
// ends the program by a signal that nobody can catch. So its pages are first gone over
// here, by reading them as a file. For their form see
// https://github.com/etcd-io/bbolt/blob/main/internal/common/page.go.
package boltfile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"os"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// Damage is a database that is not as bbolt wrote it.
type Damage struct {
	// Short: its file ends before its last page.
	Short bool
	Err   error
}

func (d *Damage) Error() string { return "checking the database: " + d.Err.Error() }

func (d *Damage) Unwrap() error { return d.Err }

// ErrLocked is that another process has the database open.
var ErrLocked = errors.New("another process has it open")

// Open goes over the pages of a database, opens it for reading and runs bbolt's own
// checks. It fails with *Damage, ErrLocked, or a failure of the file system.
func Open(path string) (db *bbolt.DB, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	// What is behind the last page, such as the hash of a snapshot, is none of bbolt's.
	if err := Walk(f, info.Size()); err != nil {
		return nil, err
	}
	defer func() {
		if r := recover(); r != nil {
			db, err = nil, &Damage{Err: fmt.Errorf("opening it: %v", r)}
		}
	}()
	db, err = bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true, Timeout: time.Second})
	if errors.Is(err, bolterrors.ErrTimeout) {
		return nil, ErrLocked
	}
	if err != nil {
		return nil, &Damage{Err: err}
	}
	if err := check(db); err != nil {
		db.Close()
		return nil, &Damage{Err: err}
	}
	return db, nil
}

// check gives the first of what bbolt finds.
func check(db *bbolt.DB) error {
	return db.View(func(tx *bbolt.Tx) error {
		var first error
		for err := range tx.Check() {
			if first == nil {
				first = err
			}
		}
		return first
	})
}

const (
	headSize    = 16
	elementSize = 16
	branchFlag  = 0x01
	leafFlag    = 0x02
	freeFlag    = 0x10
	bucketFlag  = 0x01
	boltMagic   = 0xED0CDAED
	boltVersion = 2
	metaSize    = 64
	noFreelist  = ^uint64(0)
	deepest     = 64
)

// pages goes over the pages of a database.
type pages struct {
	r    io.ReaderAt
	size int64 // of the file
	page int64 // bytes of a page
	// root and free are pages; end is the number of pages that are in use or were.
	root, free, end uint64
	seen            map[uint64]bool
}

// Walk checks that every page is within the file, is what it is pointed at for, and
// points to what is within it. size is that of the file in bytes. It fails with *Damage.
func Walk(r io.ReaderAt, size int64) error {
	p := &pages{r: r, size: size, seen: map[uint64]bool{}}
	if err := p.meta(); err != nil {
		return err
	}
	if p.end > uint64(size)/uint64(p.page) {
		return &Damage{Short: true, Err: fmt.Errorf("it has %d pages of %d bytes, and its file has %d bytes", p.end, p.page, size)}
	}
	if err := p.tree(p.root, 0); err != nil {
		return &Damage{Err: err}
	}
	if p.free == noFreelist {
		return nil
	}
	if err := p.freelist(); err != nil {
		return &Damage{Err: err}
	}
	return nil
}

// meta takes the newer of the two meta pages that are whole.
func (p *pages) meta() error {
	var newest uint64
	var found bool
	for size := int64(512); size <= 1<<16; size *= 2 {
		for i := range int64(2) {
			b := make([]byte, metaSize)
			if _, err := p.r.ReadAt(b, i*size+headSize); err != nil {
				continue
			}
			if !wholeMeta(b, size) {
				continue
			}
			tx := binary.NativeEndian.Uint64(b[48:])
			if found && tx < newest {
				continue
			}
			found, newest, p.page = true, tx, size
			p.root = binary.NativeEndian.Uint64(b[16:])
			p.free = binary.NativeEndian.Uint64(b[32:])
			p.end = binary.NativeEndian.Uint64(b[40:])
		}
	}
	if !found {
		return &Damage{Err: errors.New("it is none of bbolt, or its first pages are damaged")}
	}
	return nil
}

func wholeMeta(b []byte, size int64) bool {
	sum := fnv.New64a()
	sum.Write(b[:56])
	return binary.NativeEndian.Uint32(b) == boltMagic && binary.NativeEndian.Uint32(b[4:]) == boltVersion &&
		int64(binary.NativeEndian.Uint32(b[8:])) == size && binary.NativeEndian.Uint64(b[56:]) == sum.Sum64()
}

// load reads a page with those that continue it.
func (p *pages) load(id uint64) ([]byte, error) {
	if id < 2 || id >= p.end {
		return nil, fmt.Errorf("page %d is none of %d", id, p.end)
	}
	head := make([]byte, headSize)
	if _, err := p.r.ReadAt(head, int64(id)*p.page); err != nil {
		return nil, fmt.Errorf("reading page %d: %w", id, err)
	}
	more := uint64(binary.NativeEndian.Uint32(head[12:]))
	if own := binary.NativeEndian.Uint64(head); own != id || more >= p.end-id {
		return nil, fmt.Errorf("page %d calls itself %d, with %d that continue it", id, own, more)
	}
	for i := id; i <= id+more; i++ {
		if p.seen[i] {
			return nil, fmt.Errorf("page %d is used twice", i)
		}
		p.seen[i] = true
	}
	b := make([]byte, int64(more+1)*p.page)
	if _, err := p.r.ReadAt(b, int64(id)*p.page); err != nil {
		return nil, fmt.Errorf("reading page %d: %w", id, err)
	}
	return b, nil
}

func (p *pages) tree(id uint64, depth int) error {
	if depth > deepest {
		return errors.New("its tree has no end")
	}
	b, err := p.load(id)
	if err != nil {
		return err
	}
	if err := p.nodes(b, depth); err != nil {
		return fmt.Errorf("page %d: %w", id, err)
	}
	return nil
}

// nodes goes over the elements of a page, which is a branch or a leaf.
func (p *pages) nodes(b []byte, depth int) error {
	flags, count := binary.NativeEndian.Uint16(b[8:]), int(binary.NativeEndian.Uint16(b[10:]))
	if (flags != branchFlag && flags != leafFlag) || headSize+count*elementSize > len(b) {
		return fmt.Errorf("has the flags %#x and %d elements", flags, count)
	}
	for i := range count {
		at := headSize + i*elementSize
		e := b[at : at+elementSize]
		if flags == branchFlag {
			pos, key := u32(e[0:]), u32(e[4:])
			if int64(at)+pos+key > int64(len(b)) {
				return fmt.Errorf("its element %d lies outside", i)
			}
			if err := p.tree(binary.NativeEndian.Uint64(e[8:]), depth+1); err != nil {
				return err
			}
			continue
		}
		pos, key, value := u32(e[4:]), u32(e[8:]), u32(e[12:])
		if int64(at)+pos+key+value > int64(len(b)) {
			return fmt.Errorf("its element %d lies outside", i)
		}
		if u32(e)&bucketFlag == 0 {
			continue
		}
		from := int64(at) + pos + key
		if err := p.bucket(b[from:from+value], depth+1); err != nil {
			return err
		}
	}
	return nil
}

// bucket is a root page and a sequence; without a root, its only page follows.
func (p *pages) bucket(b []byte, depth int) error {
	if len(b) < 16 {
		return errors.New("it has a bucket without a root")
	}
	if root := binary.NativeEndian.Uint64(b); root != 0 {
		return p.tree(root, depth)
	}
	if len(b) < 16+headSize {
		return errors.New("it has a bucket without a page")
	}
	return p.nodes(b[16:], depth)
}

func (p *pages) freelist() error {
	b, err := p.load(p.free)
	if err != nil {
		return err
	}
	flags, count, at := binary.NativeEndian.Uint16(b[8:]), uint64(binary.NativeEndian.Uint16(b[10:])), uint64(headSize)
	if count == 0xFFFF {
		count, at = binary.NativeEndian.Uint64(b[headSize:]), headSize+8
	}
	if flags != freeFlag || count > (uint64(len(b))-at)/8 {
		return fmt.Errorf("page %d has the flags %#x and %d free pages", p.free, flags, count)
	}
	for i := range count {
		if id := binary.NativeEndian.Uint64(b[at+8*i:]); id < 2 || id >= p.end {
			return fmt.Errorf("page %d is said to be free and is none of %d", id, p.end)
		}
	}
	return nil
}

func u32(b []byte) int64 { return int64(binary.NativeEndian.Uint32(b)) }
