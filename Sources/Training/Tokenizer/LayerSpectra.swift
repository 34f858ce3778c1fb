import Autodiff
import Diagnostics
import Execution
import Files

extension ParameterMemory {
  /// The singular values of each convolution and linear map of encoder and decoder, in the order
  /// of the network.
  ///
  /// Codebooks and what maps them are no layers that an image passes. Layers whose weights are not
  /// finite are left out.
  ///
  /// - Parameters:
  ///   - bothUnfoldings: whether to find those of the wider matrix of each layer too.
  ///   - shouldStop: asked before each layer.
  /// - Throws: `CancellationError` on a request to stop.
  package func layerSpectra(
    bothUnfoldings: Bool = false, shouldStop: () -> Bool = { false }
  ) throws -> [LayerSpectrum] {
    try layout.parameters.enumerated().compactMap { index, parameter in
      if shouldStop() { throw CancellationError() }
      guard parameter.fileLayout != .same, !parameter.name.hasPrefix("quantize.") else {
        return nil
      }
      let (suffix, shape) = (".weight", parameter.shape)
      let isHalving = parameter.name.contains(".downsamplers.")
      return LayerSpectrum(
        parameter.name.hasSuffix(suffix)
          ? String(parameter.name.dropLast(suffix.count)) : parameter.name,
        LayerShape(
          outputs: shape[3], inputs: shape[2], height: shape[0], width: shape[1],
          stride: isHalving ? 2 : 1),
        weights: read(parameter: index), bothUnfoldings: bothUnfoldings)
    }
  }
}

extension [LayerSpectrum] {
  /// The log's line: `kind` is "spectra".
  ///
  /// - Parameter weights: which weights they are of: "last" or an average.
  func line(step: Int, weights: String) -> JSONObject {
    var (stable, entropy) = (JSONObject(), JSONObject())
    for layer in self {
      stable[layer.name] = .digits(layer.stableRank)
      entropy[layer.name] = .digits(layer.entropyRank)
    }
    return JSONObject([
      "kind": .string("spectra"), "step": .integer(step), "weights": .string(weights),
      "stableRank": .object(stable), "entropyRank": .object(entropy),
    ])
  }
}
