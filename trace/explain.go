package trace

// explain teaches what a fact means, with the numbers of this packet.
func explain(f Fact, h *Hop) []string { return nil }

// Dump shows the bytes of a frame, decoded.
func Dump(frame []byte) string { return "" }
