package archive

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"

	"github.com/keyreach/keyreach/backup/envelope"
)

// Foreign is what was in an archive of another tool.
type Foreign struct {
	Count int   // files, directories and symlinks
	Total int64 // bytes of the files
}

// ExtractTarGz unpacks a tar in gzip of another tool into a directory that is there and
// empty, best one of Stage. Whatever it holds, nothing outside the directory changes:
// absolute paths, paths with .., members within symlinks, symlinks that leave the
// directory, hard links, devices and pipes are refused, as is one path twice. Of modes only
// the permissions are kept, and no owners. Directories that members lie in and that are no
// members themselves are made for their owner alone.
//
// gzip's checksum tells of damage, not of what somebody changed: whether it is as it was
// written has to be known of src. Failures have the classes that Extract's have.
func ExtractTarGz(ctx context.Context, src io.Reader, dir string, l Limits) (Foreign, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return Foreign{}, envelope.OnDisk("opening the directory to unpack into", err)
	}
	defer root.Close()
	if err := empty(root); err != nil {
		return Foreign{}, err
	}
	x := &foreign{in: &input{ctx: ctx, r: src}, limits: l.orDefault(), members: members{}, disk: &disk{root: root, buf: make([]byte, copySize)}}
	if err := x.all(); err != nil {
		return Foreign{}, err
	}
	return x.seen, nil
}

// foreign unpacks one.
type foreign struct {
	in      *input
	limits  Limits
	members members
	disk    *disk
	seen    Foreign
	heads   int // of members, also of those that tar writes again
	names   int // bytes of all paths and targets
}

func (x *foreign) all() error {
	zip, err := gzip.NewReader(x.in)
	if err != nil {
		return x.fault(err)
	}
	defer zip.Close()
	all := &plain{r: zip, most: x.limits.Bytes}
	t := tar.NewReader(all)
	for {
		h, err := t.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return x.fault(err)
		}
		if err := x.member(h, t); err != nil {
			return err
		}
	}
	// The checksum comes behind the empty blocks at the end of the tar.
	if _, err := io.Copy(io.Discard, all); err != nil {
		return x.fault(err)
	}
	if err := x.members.links(); err != nil {
		return x.fault(err)
	}
	return x.disk.finish()
}

// fault gives a failure its cause: the source's own, where that failed.
func (x *foreign) fault(err error) error {
	switch {
	case x.in.err != nil:
		err = x.in.err
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		err = envelope.Fail(envelope.Truncated, errors.New("its end is missing"))
	case envelope.ClassOf(err) == "":
		err = envelope.Fail(envelope.Corrupt, err)
	}
	return fmt.Errorf("reading the tar.gz: %w", err)
}

func (x *foreign) member(h *tar.Header, from io.Reader) error {
	if x.heads++; x.heads > x.limits.Members {
		return x.fault(corrupt("the archive has more than %d members", x.limits.Members))
	}
	e, err := foreignEntry(h)
	if err != nil {
		return x.fault(err)
	}
	if e.Path == top && e.Type == typeDir {
		return nil // the staging is it
	}
	if err := x.parents(e.Path); err != nil {
		return err
	}
	if was, ok := x.members[e.Path]; ok && was.Type == typeDir && e.Type == typeDir {
		return nil // tar writes a directory again that it was given twice
	}
	if err := x.add(e); err != nil {
		return err
	}
	switch e.Type {
	case typeDir:
		return x.disk.dir(e, h)
	case typeLink:
		return x.disk.link(e, h)
	}
	if x.seen.Total += e.Size; x.seen.Total > x.limits.Bytes {
		return x.fault(corrupt("the archive holds more than %d bytes", x.limits.Bytes))
	}
	c := &content{r: from}
	if err := x.disk.file(e, h, c); err != nil {
		if c.err != nil {
			return x.fault(c.err)
		}
		return err
	}
	return nil
}

// add takes a member in.
func (x *foreign) add(e Entry) error {
	if x.seen.Count++; x.seen.Count > x.limits.Members {
		return x.fault(corrupt("the archive has more than %d members", x.limits.Members))
	}
	if x.names += len(e.Path) + len(e.Target); x.names > x.limits.Names {
		return x.fault(corrupt("the names in the archive have more than %d bytes", x.limits.Names))
	}
	if err := x.members.add(e); err != nil {
		return x.fault(err)
	}
	return nil
}

// parents makes the directories that no member made.
func (x *foreign) parents(p string) error {
	if err := checkPath(p); err != nil {
		return x.fault(err)
	}
	for i, c := range p {
		if c != '/' {
			continue
		}
		if _, ok := x.members[p[:i]]; ok {
			continue
		}
		e := Entry{Path: p[:i], Type: typeDir, Mode: 0o700}
		if err := x.add(e); err != nil {
			return err
		}
		if err := x.disk.dir(e, &tar.Header{}); err != nil {
			return err
		}
	}
	return nil
}

// foreignEntry reads the head of a member.
func foreignEntry(h *tar.Header) (Entry, error) {
	name := strings.Clone(strings.TrimPrefix(h.Name, "./")) // it is a part of all records of the member
	if h.Typeflag == tar.TypeDir {
		if name = strings.TrimSuffix(name, "/"); name == "" && h.Name != "/" {
			name = top
		}
	}
	e := Entry{Path: name, Mode: uint32(h.Mode) & 0o777}
	for k := range h.PAXRecords {
		if strings.HasPrefix(k, "GNU.sparse.") {
			return e, corrupt("the member %q has holes, whose size nothing bounds", h.Name)
		}
	}
	switch h.Typeflag {
	case tar.TypeReg:
		e.Type, e.Size = typeFile, h.Size
	case tar.TypeDir:
		e.Type = typeDir
	case tar.TypeSymlink:
		e.Type, e.Target = typeLink, strings.Clone(h.Linkname)
	default:
		return e, corrupt("the member %q is no file, directory or symlink", path.Clean(h.Name))
	}
	return e, nil
}
