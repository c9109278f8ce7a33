package plan

func (c *checker) administrators() error { return nil }
func (c *checker) difference() error     { return nil }
