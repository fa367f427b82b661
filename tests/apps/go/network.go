package main

import (
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/stealthrocket/net/wasip1"
)

// fetch is net/http as a client.
func fetch(url string) (int64, []byte, error) {
	response, err := http.Get(url)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	hash := sha256.New()
	count, err := io.Copy(hash, response.Body)
	return count, hash.Sum(nil), err
}

// datagrams sends to a socket of its own and wants the same back, in capitals.
func datagrams() (string, error) {
	server, err := wasip1.ListenPacket("udp", "127.0.0.1:9000")
	if err != nil {
		return "", err
	}
	defer server.Close()
	go func() {
		buffer := make([]byte, 2000)
		for {
			count, from, err := server.ReadFrom(buffer)
			if err != nil {
				return
			}
			server.WriteTo([]byte(strings.ToUpper(string(buffer[:count]))), from)
		}
	}()
	client, err := wasip1.Dial("udp", "127.0.0.1:9000")
	if err != nil {
		return "", err
	}
	defer client.Close()
	if _, err = client.Write([]byte("a datagram")); err != nil {
		return "", err
	}
	buffer := make([]byte, 2000)
	count, err := client.Read(buffer)
	return string(buffer[:count]), err
}

func addNetwork() {
	http.HandleFunc("/fetch", func(w http.ResponseWriter, r *http.Request) {
		count, hash, err := fetch(r.URL.Query().Get("url"))
		fmt.Fprintf(w, "%d %x %v\n", count, hash, err)
	})
	// Eight clients at once, all in the same goroutine-driven process as the server.
	http.HandleFunc("/self", func(w http.ResponseWriter, r *http.Request) {
		var waiting sync.WaitGroup
		answers := make([]string, 8)
		for i := range answers {
			waiting.Add(1)
			go func(i int) {
				defer waiting.Done()
				count, hash, err := fetch("http://localhost:8080/sum")
				answers[i] = fmt.Sprintf("%d %.4x %v", count, hash, err)
			}(i)
		}
		waiting.Wait()
		fmt.Fprintln(w, strings.Join(answers, "\n"))
	})
	http.HandleFunc("/refused", func(w http.ResponseWriter, r *http.Request) {
		_, _, err := fetch("http://127.0.0.1:1/")
		fmt.Fprintln(w, err)
	})
	http.HandleFunc("/datagrams", func(w http.ResponseWriter, r *http.Request) {
		text, err := datagrams()
		fmt.Fprintln(w, text, err)
	})
	http.HandleFunc("/silent", func(w http.ResponseWriter, r *http.Request) {
		dialer := wasip1.Dialer{Timeout: 300 * time.Millisecond}
		_, err := dialer.Dial("tcp", "10.0.2.200:9")
		fmt.Fprintln(w, err)
	})
}
