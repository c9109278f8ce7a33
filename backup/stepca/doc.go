// Package stepca knows the directory of a step-ca.
package stepca
