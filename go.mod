module github.com/keyreach/keyreach

go 1.26
