//go:build !linux

package store

// publish gives a part its name, unless there is something of the name.
func (d *dir) publish(from, to string) error { return d.linked(from, to) }
