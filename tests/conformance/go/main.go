// grpc-go drives the conformance suite: `driver ADDRESS CASES` runs every case of the file and writes a line of JSON for
// each. `driver ADDRESS` alone calls on four connections. It writes `begun` when it has called on all; from the first line
// of its input on it makes one call after another on each, until the input has ended and there was one more answer; then
// it writes how many calls ended with which code.
package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

const (
	service     = "test.echo.v1.EchoService"
	lanes       = 4
	longestCall = time.Minute
)

type said struct {
	Text  string `json:"text"`
	Times *int   `json:"times"`
	Count *int   `json:"count"`
}

// A case of the table, without what is expected.
type testCase struct {
	Name        string      `json:"name"`
	Call        string      `json:"call"`
	Method      string      `json:"method"`
	Send        []said      `json:"send"`
	Metadata    [][2]string `json:"metadata"`
	TimeoutMs   int         `json:"timeout_ms"`
	Compress    bool        `json:"compress"`
	AtOnce      int         `json:"at_once"`
	CancelAfter int         `json:"cancel_after"`
	InTurn      bool        `json:"in_turn"`
	ReadLate    int         `json:"read_late"`
}

// What is written about a case.
type told struct {
	Case     string            `json:"case"`
	Code     int               `json:"code"`
	Message  string            `json:"message"`
	Status   string            `json:"status"`
	Trailers map[string]string `json:"trailers"`
	Answers  [][2]any          `json:"answers"`
}

type answers struct {
	count int
	said  []byte
}

func (a *answers) add(text string) {
	a.count++
	a.said = append(append(a.said, text...), '\n')
}

func (a *answers) line() [2]any {
	sum := sha256.Sum256(a.said)
	return [2]any{a.count, hex.EncodeToString(sum[:])}
}

func or(number *int, otherwise int) int {
	if number == nil {
		return otherwise
	}
	return *number
}

func (c testCase) texts() []string {
	var texts []string
	for _, each := range c.Send {
		text := strings.Repeat(each.Text, or(each.Times, 1))
		for range or(each.Count, 1) {
			texts = append(texts, text)
		}
	}
	return texts
}

func (c testCase) path() string {
	if strings.Contains(c.Method, "/") {
		return "/" + c.Method
	}
	return "/" + service + "/" + c.Method
}

func (c testCase) sentMetadata() metadata.MD {
	sent := metadata.MD{}
	for _, pair := range c.Metadata {
		key, value := pair[0], pair[1]
		if strings.HasSuffix(key, "-bin") {
			raw, err := base64.StdEncoding.DecodeString(value)
			must(err)
			value = string(raw)
		}
		sent.Append(key, value)
	}
	return sent
}

// Makes the call of a case, and says how it ended.
func (c testCase) once(connection *grpc.ClientConn, found *answers) told {
	ctx, cancel := context.WithCancel(metadata.NewOutgoingContext(context.Background(), c.sentMetadata()))
	defer cancel()
	if c.TimeoutMs > 0 {
		ctx, cancel = context.WithTimeout(ctx, time.Duration(c.TimeoutMs)*time.Millisecond)
		defer cancel()
	}
	var trailer metadata.MD
	var options []grpc.CallOption
	if c.Compress {
		options = append(options, grpc.UseCompressor(gzip.Name))
	}
	var err error
	if c.Call == "unary" {
		var answer wrapperspb.StringValue
		request := wrapperspb.String(c.texts()[0])
		err = connection.Invoke(ctx, c.path(), request, &answer, append(options, grpc.Trailer(&trailer))...)
		if err == nil {
			found.add(answer.Value)
		}
	} else {
		trailer, err = c.streamed(ctx, cancel, connection, found, options)
	}
	return ended(err, trailer)
}

func (c testCase) streamed(
	ctx context.Context, cancel context.CancelFunc, connection *grpc.ClientConn, found *answers, options []grpc.CallOption,
) (metadata.MD, error) {
	kind := &grpc.StreamDesc{
		ClientStreams: c.Call == "client_stream" || c.Call == "bidi",
		ServerStreams: c.Call == "server_stream" || c.Call == "bidi",
	}
	stream, err := connection.NewStream(ctx, kind, c.path(), options...)
	if err != nil {
		return nil, err
	}
	texts := c.texts()
	written, turns := make(chan struct{}), make(chan struct{}, len(texts))
	go func() {
		for index, text := range texts {
			// How it fails is told when it is read.
			if stream.SendMsg(wrapperspb.String(text)) != nil {
				return
			}
			if index+1 == c.ReadLate {
				close(written)
			}
			if c.InTurn {
				<-turns
			}
		}
		_ = stream.CloseSend()
	}()
	if c.ReadLate > 0 {
		<-written
	}
	for {
		var answer wrapperspb.StringValue
		if err = stream.RecvMsg(&answer); err != nil {
			break
		}
		found.add(answer.Value)
		if c.InTurn {
			turns <- struct{}{}
		}
		if found.count == c.CancelAfter {
			cancel()
		}
		if !kind.ServerStreams {
			break
		}
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return stream.Trailer(), err
}

func ended(err error, trailer metadata.MD) told {
	state := status.Convert(err)
	said := told{Code: int(state.Code()), Message: state.Message(), Trailers: map[string]string{}}
	if len(state.Details()) > 0 {
		raw, err := proto.Marshal(state.Proto())
		must(err)
		said.Status = base64.StdEncoding.EncodeToString(raw)
	}
	for key, values := range trailer {
		for index, value := range values {
			if strings.HasSuffix(key, "-bin") {
				values[index] = base64.StdEncoding.EncodeToString([]byte(value))
			}
		}
		said.Trailers[key] = strings.Join(values, ", ")
	}
	return said
}

func connected(address string) *grpc.ClientConn {
	connection, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	must(err)
	return connection
}

func runTable(address, path string) {
	raw, err := os.ReadFile(path)
	must(err)
	var cases []testCase
	must(json.Unmarshal(raw, &cases))
	connection := connected(address)
	for _, each := range cases {
		found := make([]answers, max(each.AtOnce, 1))
		ends := make([]told, len(found))
		var calls sync.WaitGroup
		for index := range found {
			calls.Go(func() { ends[index] = each.once(connection, &found[index]) })
		}
		calls.Wait()
		said := ends[len(ends)-1]
		said.Case = each.Name
		for _, each := range found {
			said.Answers = append(said.Answers, each.line())
		}
		write(said)
	}
}

// Calls on each of some connections until the input has ended and there was one more answer.
func callWithoutPause(address string) {
	goingOn, over := make(chan struct{}), make(chan struct{})
	var begun, all sync.WaitGroup
	var lock sync.Mutex
	calls := map[codes.Code]int{}
	begun.Add(lanes)
	for lane := range lanes {
		all.Go(func() {
			connection := connected(address)
			defer connection.Close()
			isLast := false
			code := codes.Unknown
			for number := 0; !(isLast && code == codes.OK); number++ {
				select {
				case <-over:
					isLast = true
				default:
				}
				code = codeOf(connection, fmt.Sprintf("%d/%d", lane, number))
				lock.Lock()
				calls[code]++
				lock.Unlock()
				if number == 0 {
					begun.Done()
					<-goingOn
				}
			}
		})
	}
	begun.Wait()
	fmt.Println("begun")
	input := bufio.NewReader(os.Stdin)
	_, err := input.ReadString('\n')
	must(err)
	close(goingOn)
	_, _ = io.Copy(io.Discard, input)
	close(over)
	all.Wait()
	counted := map[string]int{}
	for code, count := range calls {
		counted[strconv.Itoa(int(code))] = count
	}
	write(counted)
}

func codeOf(connection *grpc.ClientConn, text string) codes.Code {
	ctx, cancel := context.WithTimeout(context.Background(), longestCall)
	defer cancel()
	var answer wrapperspb.StringValue
	err := connection.Invoke(ctx, "/"+service+"/Say", wrapperspb.String(text), &answer)
	if err == nil && answer.Value != text {
		panic(fmt.Sprintf("%q was answered with %q", text, answer.Value))
	}
	return status.Code(err)
}

func write(said any) {
	line, err := json.Marshal(said)
	must(err)
	fmt.Println(string(line))
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func main() {
	if len(os.Args) > 2 {
		runTable(os.Args[1], os.Args[2])
	} else {
		callWithoutPause(os.Args[1])
	}
}
