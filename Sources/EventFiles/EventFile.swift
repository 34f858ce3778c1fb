import Files
import Foundation

/// A run's numbers, spreads and pictures in a file that TensorBoard reads while it grows.
///
/// Every call appends one record, handed to the operating system as a whole: a crash of the process
/// leaves whole records and at most one that is cut, which readers pass over. A record that could
/// not be written whole, as on a full disk, is taken back, so that others may follow.
///
/// Steps must rise within a tag: TensorBoard takes one that does not for a restart, and drops the
/// tag's values from there on. Its fast loader drops orphans of a resumed run in this way alone, so
/// that those of a tag stay until the tag's next value; its slow one drops all where the run starts.
public final class EventFile {
  /// Where it is: `events.out.tfevents.SECONDS.HOST` in its folder.
  public let path: String

  private let clock: () -> Double
  private let calls = SystemCalls.current
  private let descriptor: Int32
  private var byteCount = 0
  private var failure: FileError?

  /// Opens a new file in a folder, after the event files that are there.
  ///
  /// - Parameters:
  ///   - folder: An existing folder.
  ///   - steps: For a run that is resumed, the steps it has behind it. What earlier files hold of
  ///     later steps is void, as TensorBoard is told; in a run from the start, all is.
  ///   - clock: The time, in seconds since 1970.
  /// - Throws: What the operating system says, with the file's name.
  public init(
    folder: String, keepingSteps steps: Int? = nil,
    clock: @escaping () -> Double = { Date().timeIntervalSince1970 }
  ) throws(FileError) {
    self.clock = clock
    (path, descriptor) = try Self.create(in: folder, wallTime: clock())
    do {
      try append(.version, step: 0)
      try append(.start, step: steps.map { $0 + 1 } ?? 0)
    } catch {
      unlink(path)
      throw error
    }
  }

  deinit { close(descriptor) }

  /// Writes numbers, in one record.
  ///
  /// TensorBoard keeps single precision. Numbers that are not finite are written as they are: it
  /// shows them as triangles.
  public func scalars(
    _ values: [(tag: String, value: Double)], step: Int
  ) throws(FileError) {
    try append(
      .summary(values.map { SummaryValue(tag: $0.tag, content: .scalar(Float($0.value))) }),
      step: step)
  }

  /// Writes a histogram.
  public func histogram(
    _ tag: String, _ histogram: Histogram, step: Int
  ) throws(FileError) {
    try append(.summary([SummaryValue(tag: tag, content: .histogram(histogram))]), step: step)
  }

  /// Writes a picture: the bytes of a PNG file of RGB, and its sides in pixels.
  public func image(
    _ tag: String, png: [UInt8], width: Int, height: Int, step: Int
  ) throws(FileError) {
    let image = SummaryValue.Content.image(png: png, width: width, height: height)
    try append(.summary([SummaryValue(tag: tag, content: image)]), step: step)
  }

  private func append(_ content: Event.Content, step: Int) throws(FileError) {
    if let failure { throw failure }
    let event = Event(wallTime: clock(), step: step, content: content)
    let record = EventRecord.framed(event.message.bytes)
    let code = record.withUnsafeBytes { calls.writeAll($0, to: descriptor) }
    guard code == 0 else {
      let error = FileError(.write, path, .system(code))
      // Behind a cut record nothing could be read: where it stays, the file has ended.
      if ftruncate(descriptor, off_t(byteCount)) != 0 { failure = error }
      throw error
    }
    byteCount += record.count
  }

  private static func create(
    in folder: String, wallTime: Double
  ) throws(FileError) -> (path: String, descriptor: Int32) {
    var time = wallTime
    while true {
      let path = folder + "/" + EventFileName.next(in: folder, wallTime: time)
      let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0o666)
      if descriptor >= 0 { return (path, descriptor) }
      // Another run took the name since the folder was looked at.
      guard errno == EEXIST, time < wallTime + 1000 else {
        throw FileError(.write, path, .system(errno))
      }
      time += 1
    }
  }
}

/// The name of an event file: `events.out.tfevents.SECONDS.HOST`.
///
/// Readers take a folder's files in the order of their names, so that a run that was resumed reads
/// on where the new file begins.
enum EventFileName {
  private static let prefix = "events.out.tfevents."

  /// A name that comes after those of all event files in the folder: the seconds are the time, or
  /// one more than the latest there are, whichever is more.
  ///
  /// A file of the last second that ten digits can hold is skipped: no name could come after it.
  static func next(in folder: String, wallTime: Double) -> String {
    // A folder one may write into but not list shows no names; opening then fails on a name that
    // is taken.
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    let latest = names.compactMap(seconds).max()
    let now = Int(exactly: wallTime.rounded(.down)) ?? 0
    let seconds = max(now, latest.map { $0 + 1 } ?? 0)
    let digits = String(seconds)
    // As many digits as today's time has, for names are compared as text.
    return prefix + String(repeating: "0", count: max(0, 10 - digits.count)) + digits + "." + host
  }

  /// The seconds in a name, where it is an event file's; of finer units only the seconds.
  private static func seconds(in name: String) -> Int? {
    guard name.hasPrefix(prefix) else { return nil }
    let seconds = Int(name.dropFirst(prefix.count).prefix(10).prefix { $0.isWholeNumber })
    return seconds == 9_999_999_999 ? nil : seconds
  }

  /// This machine's name, of letters that any file system takes.
  private static var host: String {
    var bytes = [UInt8](repeating: 0, count: 256)
    _ = bytes.withUnsafeMutableBytes {
      gethostname($0.baseAddress!.assumingMemoryBound(to: CChar.self), $0.count - 1)
    }
    let name = String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
    let plain = name.map { letter in
      letter.isASCII && (letter.isLetter || letter.isNumber || "-._".contains(letter))
        ? letter : "_"
    }
    return plain.isEmpty ? "localhost" : String(plain)
  }
}

/// How values spread over buckets.
///
/// Bucket i holds the values from `limits[i - 1]` (the first: from `minimum`) up to, without,
/// `limits[i]`; the last one includes its limit, the `maximum`. Neither the first nor the last
/// bucket is empty: TensorBoard drops such ones, but not the room they took.
public struct Histogram: Equatable, Sendable {
  /// Where the first bucket begins; 0 where there are no values.
  public let minimum: Double
  /// Where the last bucket ends; 0 where there are no values.
  public let maximum: Double
  /// The number of values: the sum of `counts`.
  public let count: Double
  /// The sum of the values.
  public let sum: Double
  /// The sum of the values' squares.
  public let sumOfSquares: Double
  /// The upper limits of the buckets, rising; the last is `maximum`.
  public let limits: [Double]
  /// The values in each bucket.
  public let counts: [Double]

  /// Counts values in buckets of equal width between the smallest and the largest.
  ///
  /// Values that are not finite are skipped. Where all are equal there is one bucket, of no width.
  public init(of values: [Double], buckets: Int = 30) {
    precondition(buckets > 0, "a histogram of no buckets")
    let finite = values.filter(\.isFinite)
    let low = finite.min() ?? 0
    let high = finite.max() ?? 0
    let edges = Self.edges(from: low, to: high, buckets: buckets)
    minimum = low
    maximum = high
    count = Double(finite.count)
    sum = finite.reduce(0, +)
    sumOfSquares = finite.reduce(0) { $0 + $1 * $1 }
    limits = finite.isEmpty ? [] : Array(edges.dropFirst())
    counts = finite.isEmpty ? [] : Self.counts(of: finite, in: edges)
  }

  /// Takes values that were counted elsewhere: `counts[i]` of them from `edges[i]` to
  /// `edges[i + 1]`.
  ///
  /// The sums are those of values that all lie in the middle of their buckets. Empty buckets at
  /// either end are skipped.
  public init(edges: [Double], counts: [Double]) {
    precondition(edges.count == counts.count + 1, "edges must be one more than counts")
    precondition(
      edges.allSatisfy(\.isFinite) && zip(edges, edges.dropFirst()).allSatisfy { $0 <= $1 },
      "edges must be finite and rise")
    precondition(
      counts.allSatisfy { $0 >= 0 && $0.isFinite }, "counts must be finite and not negative")
    let used = counts.indices.filter { counts[$0] > 0 }
    guard let first = used.first, let last = used.last else {
      (minimum, maximum, count, sum, sumOfSquares) = (0, 0, 0, 0, 0)
      (limits, self.counts) = ([], [])
      return
    }
    let kept = first...last
    let middles = kept.map { edges[$0] / 2 + edges[$0 + 1] / 2 }
    minimum = edges[first]
    maximum = edges[last + 1]
    limits = Array(edges[(first + 1)...(last + 1)])
    self.counts = Array(counts[kept])
    count = self.counts.reduce(0, +)
    sum = zip(self.counts, middles).reduce(0) { $0 + $1.0 * $1.1 }
    sumOfSquares = zip(self.counts, middles).reduce(0) { $0 + $1.0 * $1.1 * $1.1 }
  }

  /// Edges at equal distances, fewer where numbers lie too close for so many; the outermost are
  /// exact.
  private static func edges(from low: Double, to high: Double, buckets: Int) -> [Double] {
    var edges = [low]
    for bucket in 1..<buckets {
      // A fraction of each end, since their difference may be too large for a number.
      let share = Double(bucket) / Double(buckets)
      let edge = low * (1 - share) + high * share
      if edge > edges.last!, edge < high { edges.append(edge) }
    }
    return edges + [high]
  }

  private static func counts(of values: [Double], in edges: [Double]) -> [Double] {
    var counts = [Double](repeating: 0, count: edges.count - 1)
    let low = edges[0] / 2
    let scale = Double(counts.count) / (edges[counts.count] / 2 - low)
    for value in values {
      // Rounding may miss the bucket by one; the edges have the last word.
      let estimate = (value / 2 - low) * scale
      var bucket = estimate < Double(counts.count) ? Int(estimate) : counts.count - 1
      while bucket > 0, value < edges[bucket] { bucket -= 1 }
      while bucket < counts.count - 1, value >= edges[bucket + 1] { bucket += 1 }
      counts[bucket] += 1
    }
    return counts
  }
}
