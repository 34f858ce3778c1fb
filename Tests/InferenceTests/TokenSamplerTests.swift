import Autodiff
import CPUBackend
import Execution
import Foundation
import Inference
import Priors
import Synchronization
import TestSupport
import Testing

/// Drawing, scoring and coding tokens with a prior of random weights.
struct TokenSamplerTests {
  /// A prior of a few thousand weights.
  struct Small {
    let configuration: PriorConfiguration
    let space: TokenSpace
    let parameters: ParameterMemory<CPUBackend>

    init(
      depth: Int = 1, _ mode: PriorConfiguration.Depth = .flattened,
      positions: TransformerConfiguration.Positions = .rope2d, order: TokenOrder = .raster,
      classes: Int = 3, codes: Int = 11
    ) {
      configuration = PriorConfiguration(
        transformer: TransformerConfiguration(
          width: 24, layers: 2, heads: 2, positions: positions, order: order), depth: mode)
      space = TokenSpace(codes: codes, depth: depth, rows: 3, columns: 4, classes: classes)
      let layout = TokenSampler<CPUBackend>.parameterLayout(configuration, space)
      parameters = ParameterMemory(layout, on: CPUBackend())
      // Weights so large that the next id depends on those before it.
      for index in layout.parameters.indices {
        let parameter = layout.parameters[index]
        let isScale = parameter.name.contains("norm")
        let numbers = HashedNumbers.values(parameter.name, count: parameter.shape.count)
        parameters.write(numbers.map { isScale ? 1 + $0 / 4 : $0 }, toParameter: index)
      }
    }

    func sampler(lanes: Int = 2, threads: Int = 2) -> TokenSampler<CPUBackend> {
      TokenSampler(
        configuration, space, parameters: parameters, lanes: lanes, threads: threads)
    }

    func scorer(lanes: Int = 1) -> TokenScorer<CPUBackend> {
      TokenScorer(
        configuration, space, parameters: parameters, lanes: lanes, pool: LanePool(threads: 1))
    }
  }

  static var kinds: [Small] {
    [
      Small(), Small(positions: .rope, order: .spiral), Small(order: .coarseToFine, classes: 0),
      Small(depth: 3), Small(depth: 3, .heads), Small(depth: 2, .heads, order: .zOrder, codes: 33),
    ]
  }

  private typealias Request = TokenSampler<CPUBackend>.Request

  /// The code of an image, place by place with a cache, is as long as one pass over the whole says.
  @Test(arguments: 0..<6)
  func stepsAndWholeSequencesAgree(_ kind: Int) {
    let small = Self.kinds[kind]
    let count = TokenSampler<CPUBackend>.streams
    let labels = (0..<count).map { small.space.classes == 0 || $0 % 4 == 3 ? nil : $0 % 3 }
    let images = small.sampler().sample(
      labels.enumerated().map { Request(number: $0, label: $1) }, SamplingOptions(seed: 5))
    let nats = small.scorer(lanes: 2).score(images, labels: labels)
    let streams = small.sampler().encode(images, labels: labels)
    for (image, stream) in streams.enumerated() {
      let bits = nats[image] / M_LN2
      // One image a stream: its bits, and up to two bytes at the end.
      #expect(abs(Double(stream.count * 8) - bits - 4) <= 13, "\(stream.count) bytes, \(bits) bits")
    }
    #expect(
      abs(streams.reduce(0) { $0 + Double($1.count * 8) } - nats.reduce(0, +) / M_LN2)
        < Double(count) * 10)
    #expect(small.sampler(lanes: 1).decode(streams, count: count, labels: labels) == images)
  }

  /// More images than streams, and a number that they do not share evenly.
  @Test(arguments: [1, 31, 33, 70])
  func anyNumberOfImagesIsCoded(_ count: Int) {
    let small = Self.kinds[0]
    let images = (0..<count).map { image in
      (0..<small.space.ids).map { Int32((image * 7 + $0 * 5) % small.space.codes) }
    }
    let labels = (0..<count).map { Optional($0 % 3) }
    let streams = small.sampler().encode(images, labels: labels)
    #expect(small.sampler(lanes: 3).decode(streams, count: count, labels: labels) == images)
    let others = small.sampler(lanes: 1, threads: 1).encode(images, labels: labels)
    #expect(others == streams)
  }

  /// The distribution of drawn ids is that of the probabilities: entropy and score agree.
  @Test func drawnImagesCostTheirEntropy() {
    let small = Self.kinds[0]
    let count = 600
    let images = small.sampler().sample(
      (0..<count).map { Request(number: $0, label: 1) }, SamplingOptions(seed: 1))
    let labels = [Int?](repeating: 1, count: count)
    let own = small.scorer().score(images, labels: labels).reduce(0, +) / Double(count)
    // By another class they are less likely: the score looks at the class.
    let other = small.scorer().score(images, labels: labels.map { _ in 2 }).reduce(0, +)
    #expect(own < other / Double(count) - 0.1)
    // And the first id's frequencies are its probabilities.
    let first = Dictionary(grouping: images.map { $0[0] }) { $0 }.mapValues { $0.count }
    for (id, times) in first {
      var image = images[0]
      image[0] = id
      let given = small.sampler().sample(
        [Request(number: 0, label: 1, given: [id] + Array(repeating: -1, count: 11))],
        SamplingOptions(seed: 9))
      #expect(given[0][0] == id && times <= count)
    }
  }

  /// An image depends on its request alone.
  @Test(arguments: 0..<6)
  func imagesDoNotDependOnThoseBesideThem(_ kind: Int) {
    let small = Self.kinds[kind]
    let options = SamplingOptions(temperature: 0.9, topK: 9, topP: 0.95, seed: 3)
    let requests = (0..<37).map {
      Request(number: $0, label: small.space.classes > 0 ? $0 % 3 : nil)
    }
    let all = small.sampler().sample(requests, options)
    #expect(Set(all).count > 30)
    #expect(small.sampler(lanes: 1, threads: 1).sample(requests, options) == all)
    #expect(small.sampler(lanes: 3, threads: 2).sample(requests, options) == all)
    for index in [0, 5, 36] {
      #expect(small.sampler().sample([requests[index]], options) == [all[index]])
    }
    let sampler = small.sampler()
    #expect(sampler.sample(Array(requests[3..<5]), options) == Array(all[3..<5]))
    #expect(sampler.sample(requests, options) == all)
    #expect(
      small.sampler().sample(requests, SamplingOptions(temperature: 0.9, seed: 4)) != all)
  }

  /// With guidance 0 the class has no say; with much of it, more than by itself.
  @Test func guidancePushesTowardsTheClass() {
    let small = Self.kinds[0]
    func draw(_ guidance: Double, label: Int?) -> [[Int32]] {
      small.sampler().sample(
        (0..<40).map { Request(number: $0, label: label) },
        SamplingOptions(guidance: guidance, seed: 2))
    }
    #expect(draw(0, label: 1) == draw(1, label: nil))
    func score(_ images: [[Int32]]) -> Double {
      let own = small.scorer().score(images, labels: images.map { _ in 1 }).reduce(0, +)
      let none = small.scorer().score(images, labels: images.map { _ in nil }).reduce(0, +)
      return none - own
    }
    #expect(score(draw(3, label: 1)) > score(draw(1, label: 1)) + 10)
  }

  /// Given ids stay, and what follows is drawn after them.
  @Test(arguments: [0, 4]) func givenIDsStay(_ kind: Int) {
    let small = Self.kinds[kind]
    let whole = small.sampler().sample([Request(number: 7, label: 0)], SamplingOptions())[0]
    let half = whole.enumerated().map { $0.offset < whole.count / 2 ? $0.element : -1 }
    let again = small.sampler().sample(
      [Request(number: 7, label: 0, given: half)], SamplingOptions())[0]
    #expect(again == whole)
    let fixed = Array(repeating: Int32(4), count: whole.count)
    #expect(
      small.sampler().sample([Request(number: 1, given: fixed)], SamplingOptions()) == [fixed])
  }

  @Test func drawingStopsWhereAsked() {
    let asked = Atomic(0)
    let images = Self.kinds[0].sampler(lanes: 1, threads: 1).sample(
      (0..<40).map { Request(number: $0) }, SamplingOptions(),
      shouldStop: { asked.add(1, ordering: .relaxed).newValue > 15 })
    #expect(images.count == 16)
  }

  /// Later ids, and ids of a greater depth, have no say in earlier ones.
  @Test(arguments: 0..<6)
  func noIDSeesThoseBehindIt(_ kind: Int) {
    let small = Self.kinds[kind]
    let graph = Graph()
    let space = small.space
    let ids: Shape = [1, space.tokens, space.depth]
    let losses = Prior(small.configuration, space, in: Scope(graph)).losses(
      classes: graph.input("classes", [1], type: .index),
      entries: graph.input("entries", ids, type: .index),
      targets: graph.input("targets", ids, type: .index))
    let run = GraphRun(graph, outputs: ["losses": losses])
    for (index, parameter) in small.parameters.layout.parameters.enumerated() {
      run.set(parameter.name, small.parameters.read(parameter: index))
    }
    func measured(changing place: Int?) -> [Float] {
      let own = (0..<space.ids).map { Int32(($0 * 3 + ($0 == place ? 1 : 0)) % space.codes) }
      return run.run { _ in
        [
          "classes": [Float(space.entry(ofClass: nil))], "targets": own.map(Float.init),
          "entries": own.enumerated().map {
            Float(space.entry(ofID: $0.element, depth: $0.offset % space.depth))
          },
        ]
      }["losses"]!
    }
    let before = measured(changing: nil)
    for place in 0..<space.ids {
      let after = measured(changing: place)
      #expect(after[..<place] == before[..<place])
      #expect(after[place] != before[place])
      if place + 1 < space.ids { #expect(after[(place + 1)...] != before[(place + 1)...]) }
    }
  }
}
