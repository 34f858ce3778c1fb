import Autodiff
import Configuration

extension ReducedLayers: Configurable {
  /// Summary for the schema.
  public static let summary =
    "Layers that compress made smaller, by name; absent where nothing is compressed."
  /// No layers.
  public static let standard = ReducedLayers()

  /// Declares the fields.
  ///
  /// Whether names are those of layers, and numbers fit them, is for
  /// the model to say: ``Configuration/ConfigurationFields/check(_:in:with:groups:whole:)``.
  public mutating func declare(_ fields: inout ConfigurationFields) {
    fields.integers(
      "ranks", &ranks, each: .atLeast(1),
      "Layers whose weight is a product of two, and the channels between these.")
    var names = pointwiseFirst.sorted()
    fields.strings(
      "pointwiseFirst", &names,
      "Those of ranks whose 1x1 convolution comes before the filter instead of after it.")
    pointwiseFirst = Set(names)
    fields.integers(
      "widths", &widths, each: .atLeast(1),
      "Residual blocks with fewer channels between their two convolutions, and how many.")
    let unranked = names.first { ranks[$0] == nil }
    fields.check(
      "pointwiseFirst", with: ["ranks"], unranked == nil,
      expected: "layers that ranks names too, found \"\(unranked ?? "")\" among them")
  }
}

extension ConfigurationFields {
  /// Declares the key `compression`, which is written only where something is compressed.
  public mutating func compression(_ layers: inout ReducedLayers) {
    object(
      "compression", &layers, isWritten: { !$0.isEmpty }, ReducedLayers.summary)
  }

  /// Checks that reduced layers are a model's, and smaller than they were.
  ///
  /// - Parameters:
  ///   - reduced: what the key `name` says.
  ///   - others: keys that decide what the layers are; if one of them is wrong, nothing is checked.
  ///   - groups: groups of each residual block's normalization.
  ///   - whole: the parameters of the model with nothing reduced.
  public mutating func check(
    _ reduced: ReducedLayers, in name: String, with others: [String], groups: Int,
    whole: () -> [Parameter]
  ) {
    lazy var expected = reduced.isEmpty ? nil : reduced.expectation(groups: groups, whole())
    check(name, with: others, expected == nil, expected: expected ?? "")
  }
}

extension ReducedLayers {
  /// What was expected of the first entry that does not fit a model with these parameters; nil where
  /// all do.
  fileprivate func expectation(groups: Int, _ whole: [Parameter]) -> String? {
    var shapes: [String: Shape] = [:]
    for parameter in whole where parameter.name.hasSuffix(".weight") && parameter.shape.rank == 4 {
      shapes[String(parameter.name.dropLast(".weight".count))] = parameter.shape
    }
    for (layer, rank) in ranks.sorted(by: { $0.key < $1.key }) {
      guard let shape = shapes[layer] else {
        return "names of convolutions and linear layers in ranks; \"\(layer)\" is none"
      }
      let most = max(shape[2], shape[3])
      if rank > most { return "at most \(most) as the rank of \"\(layer)\", found \(rank)" }
    }
    for (block, width) in widths.sorted(by: { $0.key < $1.key }) {
      guard let channels = shapes[block + ".conv2"]?[3] else {
        return "names of residual blocks in widths; \"\(block)\" is none"
      }
      let size = channels / groups
      if width > channels || width % size != 0 {
        return
          "a multiple of \(size), the channels of a normalization's group, up to \(channels) as the "
          + "width of \"\(block)\", found \(width)"
      }
    }
    return nil
  }
}
