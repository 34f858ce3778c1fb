import Autodiff
import Execution
import Priors
import Randomness
import Synchronization
import Threads

/// Draws, codes and decodes the tokens of images with a prior.
public final class TokenSampler<B: Backend> {
  /// What the tokens are.
  public let space: TokenSpace
  private let configuration: PriorConfiguration
  private let parameters: ParameterMemory<B>
  private let lanes: Int
  private let threads: Int
  /// The places of the grid in the order of the sequence.
  private let places: [Int]
  /// A walk a lane, and for how many rows.
  private var walks: [TokenWalk<B>] = []

  /// The most sequences that a lane goes through at a time: as many as a product of few rows is made for.
  private static var mostRows: Int { 16 }

  /// A sampler over weights, which do not change any more.
  ///
  /// - Parameters:
  ///   - lanes: groups of images that are gone through side by side.
  ///   - threads: how many of them at once.
  public init(
    _ configuration: PriorConfiguration, _ space: TokenSpace, parameters: ParameterMemory<B>,
    lanes: Int, threads: Int
  ) {
    (self.configuration, self.space, self.parameters) = (configuration, space, parameters)
    (self.lanes, self.threads) = (lanes, threads)
    places = configuration.transformer.order.places(rows: space.rows, columns: space.columns)
  }

  /// The layout of a prior's parameters, in which its weights are read.
  public static func parameterLayout(
    _ configuration: PriorConfiguration, _ space: TokenSpace
  ) -> ParameterLayout {
    let graph = Graph()
    _ = Prior(configuration, space, in: Scope(graph))
    return ParameterLayout(graph.parameters)
  }

  /// An image that is to be drawn.
  public struct Request: Sendable, Equatable {
    /// Its number, which tells its random numbers from those of others.
    public var number: Int
    /// Its class; nil for none.
    public var label: Int?
    /// Ids that are given, `[rows, columns, depth]`, and -1 for those that are drawn; empty for none.
    public var given: [Int32]

    /// An image.
    public init(number: Int, label: Int? = nil, given: [Int32] = []) {
      (self.number, self.label, self.given) = (number, label, given)
    }
  }

  /// Plans the steps and arranges the weights for so many images, as the first drawing would do.
  public func prepare(images: Int, guidance: Double = 1) {
    let copies = guidance != 1 ? 2 : 1
    guard images > 0 else { return }
    makeWalks(rows: rows(for: images, copies: copies) * copies)
    walks.first?.prepare()
  }

  /// Draws images: of each the ids `[rows, columns, depth]`.
  ///
  /// An image is a function of the weights, the options and its request alone: not of those that are
  /// drawn with it, nor of lanes or threads.
  ///
  /// - Parameters:
  ///   - progress: called with the images done so far, one call at a time.
  ///   - shouldStop: asked at each place, from any thread; where it says so, the images that are whole are
  ///     returned, up to the first that is not.
  public func sample(
    _ requests: [Request], _ options: SamplingOptions,
    progress: @escaping (_ done: Int) -> Void = { _ in },
    shouldStop: @escaping @Sendable () -> Bool = { false }
  ) -> [[Int32]] {
    // With guidance each image has a second sequence, without its class.
    let copies = options.guidance != 1 ? 2 : 1
    let random = Generator(seed: options.seed).split(named: "sample")
    let (space, places) = (space, places)
    let done = Mutex([Int: [Int32]]())
    let rows = rows(for: requests.count, copies: copies)
    eachGroup(of: requests.count, rows: rows * copies, images: rows, progress) {
      group, walk, distribution in
      let portion = Array(requests[group])
      var images = portion.map { _ in [Int32](repeating: 0, count: space.ids) }
      walk.begin { row in
        let image = row / copies
        let label = image < portion.count && row % copies == 0 ? portion[image].label : nil
        return space.entry(ofClass: label)
      }
      for index in 0..<space.ids {
        if shouldStop() { return false }
        walk.expect(index)
        let place = places[index / space.depth] * space.depth + index % space.depth
        for (image, request) in portion.enumerated() {
          let first = image * copies
          var id = request.given.isEmpty ? -1 : request.given[place]
          if id < 0 {
            let own = walk.logits + first * space.codes
            distribution.set(own, none: copies > 1 ? own + space.codes : nil, options)
            var chance = random.split(UInt64(request.number)).split(UInt64(index))
            id = distribution.id(at: chance.uniformDouble())
          }
          images[image][place] = id
          for copy in 0..<copies { walk.note(id, first + copy, at: index) }
        }
      }
      done.withLock { done in
        for (place, image) in images.enumerated() { done[group.lowerBound + place] = image }
      }
      return true
    }
    return done.withLock { done in (0..<requests.count).prefix { done[$0] != nil }.map { done[$0]! }
    }
  }

  /// Images that a lane draws at a time: as many as there is use for.
  private func rows(for images: Int, copies: Int) -> Int {
    min(Self.mostRows / copies, (images + lanes - 1) / lanes)
  }

  /// Deals groups of neighbouring images to the lanes.
  ///
  /// - Parameters:
  ///   - rows: sequences that a walk goes through at a time.
  ///   - images: images of a group.
  ///   - body: does a group, and says whether it was done; called from several threads.
  private func eachGroup(
    of count: Int, rows: Int, images: Int, _ progress: @escaping (_ done: Int) -> Void,
    _ body:
      @escaping @Sendable (
        _ images: Range<Int>, _ walk: TokenWalk<B>, _ distribution: inout TokenDistribution
      ) -> Bool
  ) {
    guard count > 0 else { return }
    makeWalks(rows: rows)
    let groups = (count + images - 1) / images
    let codes = space.codes
    // Each lane has a walk of its own, and progress is told by one at a time.
    nonisolated(unsafe) let (walks, progress) = (walks, progress)
    let total = Mutex(0)
    let lanes = min(lanes, groups)
    concurrently(lanes, threads: threads) { lane in
      var distribution = TokenDistribution(codes: codes)
      for group in stride(from: lane, to: groups, by: lanes) {
        let range = group * images..<min((group + 1) * images, count)
        guard body(range, walks[lane], &distribution) else { return }
        total.withLock { total in
          total += range.count
          progress(total)
        }
      }
    }
  }

  /// Walks through so many sequences, one for each lane, whose memory is kept.
  private func makeWalks(rows: Int) {
    guard walks.first?.rows != rows else { return }
    walks = []
    for _ in 0..<lanes {
      walks.append(
        TokenWalk(
          configuration, space, parameters: parameters, rows: rows, besides: walks.first))
    }
  }

  // MARK: Exact code lengths

  /// The streams that images are dealt to in turn: each is coded by itself, all side by side.
  public static var streams: Int { 32 }

  /// Images as bits, as many as the prior expects: stream `s` holds the images `s`, `s + streams`, and so on.
  ///
  /// - Parameters:
  ///   - images: ids `[rows, columns, depth]` of each.
  ///   - labels: the class of each; nil for none.
  public func encode(
    _ images: [[Int32]], labels: [Int?], progress: @escaping (_ done: Int) -> Void = { _ in }
  ) -> [[UInt8]] {
    var coders = Array(repeating: RangeEncoder(), count: Self.streams)
    coders.withUnsafeMutableBufferPointer { coders in
      // A stream belongs to one lane.
      nonisolated(unsafe) let coders = coders
      code(count: images.count, labels: labels, progress: progress) { image, place, distribution in
        let (id, sums) = (images[image][place], distribution.wholeSums())
        coders[image % Self.streams].encode(
          start: sums[Int(id)], end: sums[Int(id) + 1], total: sums[sums.count - 1])
        return id
      }
    }
    return coders.map { coder in
      var coder = coder
      return coder.finish()
    }
  }

  /// The images that ``encode(_:labels:progress:)`` made into bits, given the same labels.
  public func decode(
    _ streams: [[UInt8]], count: Int, labels: [Int?],
    progress: @escaping (_ done: Int) -> Void = { _ in }
  ) -> [[Int32]] {
    var coders = streams.map { RangeDecoder($0[...]) }
    var ids = [Int32](repeating: 0, count: count * space.ids)
    let each = space.ids
    coders.withUnsafeMutableBufferPointer { coders in
      ids.withUnsafeMutableBufferPointer { ids in
        nonisolated(unsafe) let (coders, ids) = (coders, ids)
        code(count: count, labels: labels, progress: progress) { image, place, distribution in
          let id = coders[image % Self.streams].decode(distribution.wholeSums())
          ids[image * each + place] = id
          return id
        }
      }
    }
    return (0..<count).map { Array(ids[$0 * each..<($0 + 1) * each]) }
  }

  /// Goes through images, a stream a sequence, and asks for each id; a lane has some of the streams.
  private func code(
    count: Int, labels: [Int?], progress: @escaping (_ done: Int) -> Void,
    _ id:
      @escaping @Sendable (
        _ image: Int, _ place: Int, _ distribution: inout TokenDistribution
      ) -> Int32
  ) {
    let (space, places, streams) = (space, places, Self.streams)
    let used = min(streams, count)
    let rows = rows(for: used, copies: 1)
    let rounds = (count + streams - 1) / streams
    let done = Mutex(0)
    nonisolated(unsafe) let progress = progress
    eachGroup(of: used, rows: rows, images: rows, { _ in }) { group, walk, distribution in
      for round in 0..<rounds {
        let images = group.map { round * streams + $0 }.filter { $0 < count }
        walk.begin { row in
          space.entry(ofClass: row < images.count ? labels[images[row]] : nil)
        }
        for index in 0..<space.ids {
          walk.expect(index)
          let place = places[index / space.depth] * space.depth + index % space.depth
          for (row, image) in images.enumerated() {
            distribution.set(walk.logits + row * space.codes)
            walk.note(id(image, place, &distribution), row, at: index)
          }
        }
        done.withLock { done in
          done += images.count
          progress(done)
        }
      }
      return true
    }
  }
}
