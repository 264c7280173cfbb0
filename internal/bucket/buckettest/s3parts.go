package buckettest

import (
	"bytes"
	"crypto/sha256"
	"encoding/xml"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket"
)

// pageSize is small, so that lists have several pages.
const pageSize = 2

type listResult struct {
	XMLName      xml.Name    `xml:"ListBucketResult"`
	EncodingType string      `xml:"EncodingType,omitempty"`
	Truncated    bool        `xml:"IsTruncated"`
	Next         string      `xml:"NextContinuationToken,omitempty"`
	Contents     []listEntry `xml:"Contents"`
}

type listEntry struct {
	Key, ETag    string
	Size         int64
	LastModified time.Time
}

func (s *S3) list(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	objects, err := s.keysOf(r, query.Get("prefix"))
	if err != nil {
		fail(w, r, err)
		return
	}
	from, _ := strconv.Atoi(query.Get("continuation-token")) // absent: 0
	page := listResult{EncodingType: query.Get("encoding-type")}
	for _, o := range objects[min(from, len(objects)):min(from+pageSize, len(objects))] {
		key := o.Key
		if page.EncodingType == "url" {
			key = url.QueryEscape(key)
		}
		page.Contents = append(page.Contents, listEntry{key, string(o.Tag), o.Size, o.Modified})
	}
	if from+pageSize < len(objects) {
		page.Truncated, page.Next = true, strconv.Itoa(from+pageSize)
	}
	answer(w, page)
}

func answer(w http.ResponseWriter, v any) {
	text, err := xml.Marshal(v)
	if err != nil {
		panic(err)
	}
	w.Header().Set("Content-Type", "application/xml")
	_, _ = w.Write(text)
}

// uploads maps each upload to its parts, by number.
type uploads map[string]map[int][]byte

func partTag(data []byte) string { return fmt.Sprintf(`"%x"`, sha256.Sum256(data)) }

// parts serves the requests of uploads in parts.
func (s *S3) parts(w http.ResponseWriter, r *http.Request, key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := r.URL.Query().Get("uploadId")
	parts, ok := s.uploads[id]
	switch {
	case r.URL.Query().Has("uploads"):
		id = fmt.Sprint("upload-", len(s.uploads)+1)
		s.uploads[id] = map[int][]byte{}
		answer(w, struct {
			XMLName  xml.Name `xml:"InitiateMultipartUploadResult"`
			UploadId string
		}{UploadId: id})
	case !ok || parts == nil:
		refuse(w, r, http.StatusNotFound, "NoSuchUpload")
	case r.Method == http.MethodDelete:
		s.uploads[id] = nil
		w.WriteHeader(http.StatusNoContent)
	case r.Method == http.MethodGet:
		answer(w, listOf(parts))
	case r.Method == http.MethodPut:
		s.putPart(w, r, parts)
	case r.Method == http.MethodPost:
		s.join(w, r, key, id)
	}
}

type partEntry struct {
	PartNumber int
	ETag       string
	Size       int
}

func listOf(parts map[int][]byte) any {
	list := struct {
		XMLName xml.Name    `xml:"ListPartsResult"`
		Part    []partEntry `xml:"Part"`
	}{}
	for _, n := range slices.Sorted(maps.Keys(parts)) {
		list.Part = append(list.Part, partEntry{n, partTag(parts[n]), len(parts[n])})
	}
	return list
}

func (s *S3) putPart(w http.ResponseWriter, r *http.Request, parts map[int][]byte) {
	body, err := announced(r)
	if err != nil {
		fail(w, r, err)
		return
	}
	data := make([]byte, body.Size)
	_, _ = body.Data.ReadAt(data, 0) // in memory
	if sha256.Sum256(data) != body.Checksum {
		refuse(w, r, http.StatusBadRequest, "XAmzContentSHA256Mismatch")
		return
	}
	n, _ := strconv.Atoi(r.URL.Query().Get("partNumber"))
	parts[n] = data
	w.Header().Set("ETag", partTag(data))
}

func (s *S3) join(w http.ResponseWriter, r *http.Request, key, id string) {
	var list struct {
		Part []partEntry `xml:"Part"`
	}
	if err := xml.NewDecoder(r.Body).Decode(&list); err != nil {
		fail(w, r, err)
		return
	}
	var all []byte
	for _, p := range list.Part {
		data, ok := s.uploads[id][p.PartNumber]
		if !ok || partTag(data) != p.ETag {
			refuse(w, r, http.StatusBadRequest, "InvalidPart")
			return
		}
		all = append(all, data...)
	}
	when := bucket.Always()
	if r.Header.Get("If-None-Match") == "*" {
		when = bucket.Absent()
	}
	tag, err := s.inner.Put(r.Context(), key, bucket.Bytes(bytes.Clone(all)), when)
	if err != nil {
		fail(w, r, err)
		return
	}
	s.uploads[id] = nil
	answer(w, struct {
		XMLName xml.Name `xml:"CompleteMultipartUploadResult"`
		ETag    string
	}{ETag: string(tag)})
}
