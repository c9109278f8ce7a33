// Package archive is what lies inside the encryption: a tar in zstd. Its first member
// tells what the backup is of, its last lists every file with its SHA-256. Both are
// global PAX headers with a comment, which every tar passes over, so that
// zstd -d | tar x gives the very files that Extract gives.
//
// See https://pubs.opengroup.org/onlinepubs/9799919799/utilities/pax.html and
// https://www.rfc-editor.org/rfc/rfc8878.
package archive
