//go:build !(linux || darwin || freebsd || netbsd || openbsd)

package stepca

import "errors"

func hold(string) (release func(), busy bool, err error) {
	return nil, false, errors.ErrUnsupported
}
