package route_test

import (
	"fmt"
	"time"

	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/route"
)

// A declared route is proven on an estate, step by step.
func Example() {
	f, err := route.LoadFile("../examples/drs-authfailure/keyreach.yaml")
	if err != nil {
		fmt.Println(err)
		return
	}
	e, err := estate.LoadFile(f.EstatePath())
	if err != nil {
		fmt.Println(err)
		return
	}
	p, err := route.Prove(&f.Routes[0], e, time.Now())
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, s := range p.Steps {
		fmt.Println(s.Verdict, s.Name)
	}
	fmt.Println("the route:", p.Verdict)
	// Output:
	// blocked replicate
	// proven snapshot
	// blocked share
	// proven extend
	// blocked recover
	// the route: blocked
}
