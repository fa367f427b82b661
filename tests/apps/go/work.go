package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

// sum adds 1..n, each goroutine its part.
func sum(n, parts int) int {
	results := make(chan int)
	for part := 0; part < parts; part++ {
		go func(part int) {
			total := 0
			for i := part + 1; i <= n; i += parts {
				total += i
			}
			results <- total
		}(part)
	}
	total := 0
	for part := 0; part < parts; part++ {
		total += <-results
	}
	return total
}

// ticks sends ten lines, one at each tick of a timer, each as soon as it is there.
func ticks(w http.ResponseWriter) {
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for i := 0; i < 10; i++ {
		<-ticker.C
		fmt.Fprintf(w, "tick %d\n", i)
		w.(http.Flusher).Flush()
	}
}

func addWork() {
	http.HandleFunc("/sum", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, sum(100000, 7))
	})
	http.HandleFunc("/stream", func(w http.ResponseWriter, r *http.Request) { ticks(w) })
	http.HandleFunc("/sleep", func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		time.Sleep(50 * time.Millisecond)
		fmt.Fprintln(w, time.Since(start) >= 50*time.Millisecond)
	})
	http.HandleFunc("/timeout", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), 20*time.Millisecond)
		defer cancel()
		select {
		case <-ctx.Done():
			fmt.Fprintln(w, ctx.Err())
		case <-time.After(time.Minute):
			fmt.Fprintln(w, "too late")
		}
	})
	http.HandleFunc("/hash", func(w http.ResponseWriter, r *http.Request) {
		hash := sha256.New()
		count, err := io.Copy(hash, r.Body)
		fmt.Fprintf(w, "%d %x %v\n", count, hash.Sum(nil), err)
	})
	// Answers when four clients are waiting, not before.
	var barrier sync.WaitGroup
	barrier.Add(4)
	http.HandleFunc("/barrier", func(w http.ResponseWriter, r *http.Request) {
		barrier.Done()
		barrier.Wait()
		fmt.Fprintln(w, "together")
	})
}
