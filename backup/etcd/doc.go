// Package etcd takes snapshots of etcd.
package etcd
