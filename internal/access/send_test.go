package access

import (
	"io"
	"net/http/httptest"
	"strings"
	"testing"

	"golang.org/x/time/rate"
)

// below is a writer that knows how to send from some readers.
type below struct {
	*httptest.ResponseRecorder
	from  io.Reader
	parts []int64
}

func (b *below) ReadFrom(src io.Reader) (int64, error) {
	limited := src.(*io.LimitedReader)
	b.from, b.parts = limited.R, append(b.parts, limited.N)
	return io.Copy(b.ResponseRecorder, src)
}

// TestLimitHidesNothing: with a limit, too, the writer below receives the very file that
// the kernel can send from, in parts.
func TestLimitHidesNothing(t *testing.T) {
	const size = 2*part + 100
	src := strings.NewReader(strings.Repeat("x", size+1))
	to := &below{ResponseRecorder: httptest.NewRecorder()}
	w := &slowWriter{ResponseWriter: to, ctx: t.Context(), limit: rate.NewLimiter(rate.Inf, part)}
	limited := &io.LimitedReader{R: src, N: size}
	n, err := w.ReadFrom(limited)
	if n != size || err != nil || limited.N != 0 || to.Body.Len() != size || src.Len() != 1 {
		t.Errorf("%d bytes, %v; %d are left to ask for, %d came, %d were left over", n, err, limited.N, to.Body.Len(), src.Len())
	}
	if to.from != src || len(to.parts) != 3 || to.parts[0] != part || to.parts[2] != 100 {
		t.Errorf("what is below was given %T in parts of %d", to.from, to.parts)
	}
}
