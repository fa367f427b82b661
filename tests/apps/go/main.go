// A server for the tests: goroutines, timers and net/http. Its listener is inherited
// (`server inherited`, plain Go) or opened with the socket extension (`server sockets`).
package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	_ "github.com/stealthrocket/net/http"
	"github.com/stealthrocket/net/wasip1"
)

func listener(how string) (net.Listener, error) {
	if how == "inherited" {
		return net.FileListener(os.NewFile(3, "listener"))
	}
	return wasip1.Listen("tcp", "0.0.0.0:8080")
}

func main() {
	listener, err := listener(os.Args[1])
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	server := &http.Server{}
	addWork()
	addNetwork()
	http.HandleFunc("/stop", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "bye")
		go func() {
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
			defer cancel()
			server.Shutdown(ctx)
		}()
	})
	fmt.Println("ready")
	fmt.Println(server.Serve(listener))
}
