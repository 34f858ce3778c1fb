import Autodiff
import Execution
import Priors
import Randomness

/// Draws, codes and decodes the tokens of images with a prior.
public final class TokenSampler<B: Backend> {
  /// What the tokens are.
  public let space: TokenSpace
  private let configuration: PriorConfiguration
  private let parameters: ParameterMemory<B>
  private let lanes: Int
  private let pool: LanePool
  /// The places of the grid in the order of the sequence.
  private let places: [Int]
  private var walk: TokenWalk<B>?

  /// A sampler over weights.
  public init(
    _ configuration: PriorConfiguration, _ space: TokenSpace, parameters: ParameterMemory<B>,
    lanes: Int, pool: LanePool
  ) {
    (self.configuration, self.space, self.parameters) = (configuration, space, parameters)
    (self.lanes, self.pool) = (lanes, pool)
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

  /// Draws images: of each the ids `[rows, columns, depth]`.
  ///
  /// An image is a function of the weights, the options and its request alone: not of those that are
  /// drawn with it, nor of lanes or threads.
  ///
  /// - Parameters:
  ///   - progress: called with the images done so far, after each portion.
  ///   - shouldStop: asked at each place; where it says so, the images done so far are returned.
  public func sample(
    _ requests: [Request], _ options: SamplingOptions, progress: (_ done: Int) -> Void = { _ in },
    shouldStop: () -> Bool = { false }
  ) -> [[Int32]] {
    let isGuided = options.guidance != 1
    let random = Generator(seed: options.seed).split(named: "sample")
    var distribution = TokenDistribution(codes: space.codes)
    var results: [[Int32]] = []
    // With guidance each image has a second sequence, without its class.
    let copies = isGuided ? 2 : 1
    var start = 0
    while start < requests.count {
      let walk = walk(for: (requests.count - start) * copies, multiple: copies)
      let portion = Array(requests[start..<min(start + walk.sequences / copies, requests.count)])
      var images = portion.map { _ in [Int32](repeating: 0, count: space.ids) }
      walk.begin { sequence in
        let image = sequence / copies
        let label = image < portion.count && sequence % copies == 0 ? portion[image].label : nil
        return space.entry(ofClass: label)
      }
      for index in 0..<space.ids {
        if shouldStop() { return results }
        walk.expect(index)
        let place = places[index / space.depth] * space.depth + index % space.depth
        for (image, request) in portion.enumerated() {
          let first = image * copies
          var id = request.given.isEmpty ? -1 : request.given[place]
          if id < 0 {
            let own = walk.logits + first * space.codes
            distribution.set(own, none: isGuided ? own + space.codes : nil, options)
            var chance = random.split(UInt64(request.number)).split(UInt64(index))
            id = distribution.id(at: chance.uniformDouble())
          }
          images[image][place] = id
          for copy in 0..<copies { walk.note(id, first + copy, at: index) }
        }
      }
      results += images
      start += portion.count
      progress(results.count)
    }
    return results
  }

  /// A walk through as many sequences as there is use for, whose memory is kept.
  private func walk(for sequences: Int, multiple: Int) -> TokenWalk<B> {
    let most = lanes * TokenWalk<B>.mostRows / multiple * multiple
    let wanted = min(most, sequences)
    if let walk, walk.sequences >= wanted, walk.sequences.isMultiple(of: multiple) { return walk }
    walk = nil
    let made = TokenWalk(
      configuration, space, parameters: parameters,
      sequences: (wanted + lanes * multiple - 1) / (lanes * multiple) * lanes * multiple,
      lanes: lanes, pool: pool)
    walk = made
    return made
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
    _ images: [[Int32]], labels: [Int?], progress: (_ done: Int) -> Void = { _ in }
  ) -> [[UInt8]] {
    var coders = Array(repeating: RangeEncoder(), count: Self.streams)
    code(count: images.count, labels: labels, progress: progress) { image, place, distribution in
      let (id, sums) = (images[image][place], distribution.wholeSums())
      coders[image % Self.streams].encode(
        start: sums[Int(id)], end: sums[Int(id) + 1], total: sums[sums.count - 1])
      return id
    }
    return coders.map { coder in
      var coder = coder
      return coder.finish()
    }
  }

  /// The images that ``encode(_:labels:progress:)`` made into bits, given the same labels.
  public func decode(
    _ streams: [[UInt8]], count: Int, labels: [Int?], progress: (_ done: Int) -> Void = { _ in }
  ) -> [[Int32]] {
    var coders = streams.map { RangeDecoder($0[...]) }
    var images = Array(repeating: [Int32](repeating: 0, count: space.ids), count: count)
    code(count: count, labels: labels, progress: progress) { image, place, distribution in
      let id = coders[image % Self.streams].decode(distribution.wholeSums())
      images[image][place] = id
      return id
    }
    return images
  }

  /// Goes through images, a stream a sequence, and asks for each id.
  private func code(
    count: Int, labels: [Int?], progress: (_ done: Int) -> Void,
    _ id: (_ image: Int, _ place: Int, _ distribution: inout TokenDistribution) -> Int32
  ) {
    var distribution = TokenDistribution(codes: space.codes)
    let streams = Self.streams
    var start = 0
    while start < count {
      // As many as lanes and rows allow at a time, up to the number of streams.
      let walk = walk(for: min(streams, count - start), multiple: 1)
      let portion = min(walk.sequences, count - start, streams - start % streams)
      walk.begin { sequence in
        space.entry(ofClass: sequence < portion ? labels[start + sequence] : nil)
      }
      for index in 0..<space.ids {
        walk.expect(index)
        let place = places[index / space.depth] * space.depth + index % space.depth
        for sequence in 0..<portion {
          distribution.set(walk.logits + sequence * space.codes)
          walk.note(id(start + sequence, place, &distribution), sequence, at: index)
        }
      }
      start += portion
      progress(start)
    }
  }
}
