import Synchronization
import Testing
import Threads

@Suite("Threads")
struct ThreadsTests {
  @Test("every index is done once", arguments: [0, 1, 2, 1000], [1, 2, 7])
  func everyIndexOnce(count: Int, threads: Int) {
    let done = Mutex([Int](repeating: 0, count: count))
    concurrently(count, threads: threads) { index in done.withLock { $0[index] += 1 } }
    #expect(done.withLock { $0 } == [Int](repeating: 1, count: count))
  }

  @Test("work in the background comes one piece after the other, in order")
  func background() {
    let order = Mutex<[Int]>([])
    let work = BackgroundWork("test")
    for number in 0..<50 { work.start { order.withLock { $0.append(number) } } }
    work.wait()
    #expect(order.withLock { $0 } == Array(0..<50))
    work.wait()
  }
}
